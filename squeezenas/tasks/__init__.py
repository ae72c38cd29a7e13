"""Tasks: what a network is trained for, its loss and its metric."""
