"""The host: homes, runs, threads, decisions, recovery around a compiled graph."""
