"""Building blocks: candidates, mixed units, heads, and the path that runs through them."""
