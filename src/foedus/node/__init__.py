"""The composition root: builds the parts, runs the cores' effects, owns the task group."""
