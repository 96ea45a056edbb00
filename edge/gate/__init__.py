"""The gate: `loop.py` tells the life of a part, `ledger.py` holds the law of one verdict each."""
