"""`linegate simulate`: a whole virtual line, and a referee that knows where each part belonged."""
