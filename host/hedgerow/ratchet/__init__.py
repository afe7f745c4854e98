"""The Double Ratchet with header keys, adapted to letters that are found by their lock."""
