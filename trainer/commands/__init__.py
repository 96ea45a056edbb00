"""One file per command of `linegate-trainer`; each is imported only when it is called."""
