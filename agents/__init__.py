"""Who does the work: one agent a file, each a function from a task to an update of the turn."""
