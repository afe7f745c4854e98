"""What is secret in a home: under which keys it lies there, and how those are kept, changed and erased."""
