"""What people do in a conversation beside saying something: replies, edits, reactions, pins, polls, stores
(docs/protocol.md, "Chat")."""
