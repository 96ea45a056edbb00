"""Inspecting recorded frames with the whole gate: `linegate replay`."""
