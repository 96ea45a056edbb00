"""One file per command of `linegate`; each is imported only when it is called."""
