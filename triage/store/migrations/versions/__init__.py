"""One module per change of shape, oldest first."""
