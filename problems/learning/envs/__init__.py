"""Environments of ours: NumPy, many copies at once."""
