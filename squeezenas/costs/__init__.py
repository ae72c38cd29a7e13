"""What a network costs: multiply-accumulates, parameters, or milliseconds on the device at hand."""
