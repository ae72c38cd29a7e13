"""The command line: `squeezenas search`, `squeezenas data check`."""
