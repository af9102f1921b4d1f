"""The cost of the gate, part by part, beside that of a peer on the same calls."""
