"""The eyes on the station itself: what is wrong, since when, and what to do about it."""
