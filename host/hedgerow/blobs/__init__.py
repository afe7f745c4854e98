"""Files: cut into blocks named by their content, fetched piece by piece (docs/protocol.md, "Files")."""
