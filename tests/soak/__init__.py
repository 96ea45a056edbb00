"""An hour of trouble for a whole station, and the judgement over it: `make soak`."""
