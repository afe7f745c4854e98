"""The conversation: entries, and how they are written on the air."""
