"""Groups: who is in, the keys of the epochs, what is said, and what the database keeps of it."""
