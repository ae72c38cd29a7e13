"""Searches: the one-shot loop, and the choice of a network at its end."""
