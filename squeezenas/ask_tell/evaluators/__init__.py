"""What scores an architecture: a benchmark table, inherited weights, or a training."""
