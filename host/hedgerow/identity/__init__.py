"""Who we are: account and device keys."""
