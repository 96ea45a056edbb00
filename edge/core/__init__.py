"""Pure: no I/O, no clock, no randomness of its own. All that the trainer may import."""
