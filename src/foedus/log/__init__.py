"""What happened: acts, events, chains, the verdicts of admission, evidence, and the port of the log. No I/O."""
