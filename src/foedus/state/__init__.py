"""What follows from the log, and decides nothing: it can all be dropped and computed again."""
