"""`linegate bench`: what this box needs from trigger to verdict, beside what is left to gain."""
