"""What is measured beside each other: one file for each peer, run with its own interpreter."""
