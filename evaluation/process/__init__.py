"""What the trail tells of the process: paths, waits, bottlenecks, conformance."""
