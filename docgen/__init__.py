"""Pages of the documentation that are made from code, so that they cannot be wrong about it.

`python -m docgen` writes them; a test compares them with what is committed.
"""
