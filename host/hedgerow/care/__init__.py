"""Care of boards that are several hops away: sealed commands, and another key for a whole mesh."""
