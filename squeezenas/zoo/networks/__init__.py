"""Networks that other libraries know by name, one file each."""
