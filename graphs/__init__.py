"""How work flows: state, supervisor, gate nodes, review, readiness, compilation."""
