"""A small web shop, in Python's standard library only."""
