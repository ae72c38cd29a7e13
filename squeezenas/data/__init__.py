"""Frames of a data set: finding, decoding, augmenting and batching them."""
