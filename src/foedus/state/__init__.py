"""What follows from the log and decides nothing: values that can be dropped and computed again."""
