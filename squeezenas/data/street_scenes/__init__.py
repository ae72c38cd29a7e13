"""Generated streets: perspective driving scenes with the 19 Cityscapes classes, drawn from a seed.

Painter's algorithm, back to front, in metres: sky, ground, house fronts, then everything that
stands or moves. Image and label map are painted by the same calls, so every label fits its pixel.
"""
