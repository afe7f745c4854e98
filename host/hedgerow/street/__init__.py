"""The street: short letters that all members of a mesh can read (docs/protocol.md, "Street")."""
