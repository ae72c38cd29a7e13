"""Nouns, registry and recipes. Nothing here imports torch."""
