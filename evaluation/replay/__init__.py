"""What other policies would have decided about recorded runs."""
