"""Networks of model cards, and their weights."""
