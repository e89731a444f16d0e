"""The schema's versions."""

HEAD = "0012"
"""The version this program knows: the last of `versions` (a test compares them)."""
