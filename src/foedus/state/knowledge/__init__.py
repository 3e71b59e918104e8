"""Knowledge and tasks: the folds of ``knowledge:<domain>``, and the port of the index that finds them."""
