"""Predictors: how an architecture will do, from how others did, without evaluating it."""
