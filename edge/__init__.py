"""The box on the line. Importing this package costs nothing; start reading at `jobs.py`."""
