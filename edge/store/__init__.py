"""The memory: ledger.db with its one writer, the images, and what is kept how long."""
