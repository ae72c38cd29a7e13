"""Retraining: a network taken through the stages of a regime, and its evaluation."""
