"""The devices of an account: which there are, how one more joins, and how they stay alike."""
