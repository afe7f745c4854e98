"""Hedgerow's firmware: an asyncio shell around hedgerow_core."""
