"""Everything on one machine, on simulated parts: `linegate demo`."""
