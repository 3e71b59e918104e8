"""Values that everything shares: canonical bytes, ids, clocks, limits and errors. No I/O."""
