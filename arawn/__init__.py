"""Arawn: a command-line assistant for every model backend a person may have."""

__version__ = "0.1.0"
