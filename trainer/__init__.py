"""The workshop beside the line. Start reading at `__main__.py`."""
