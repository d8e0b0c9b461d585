"""Runs one untrusted program, returns one outcome."""
