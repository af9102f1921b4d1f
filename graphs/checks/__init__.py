"""What the readiness gate looks at, one subject a file; every check is a pure generator."""
