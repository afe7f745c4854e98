"""Whom we know: invites and contact requests."""
