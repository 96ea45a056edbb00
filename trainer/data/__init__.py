"""Pictures and labels: catalog, import, grouped splits, leakage."""
