"""Hedgerow's host: people, keys and conversations; boards carry what it seals."""

__version__ = "0.1.0"
