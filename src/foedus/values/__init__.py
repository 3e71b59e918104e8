"""What a node answers with, typed: the shapes of its API (/schema), under the same names."""
