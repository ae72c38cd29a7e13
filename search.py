"""Search for a network: `python search.py [group=card] [key=value] [flags]`, see --help."""

import sys

from squeezenas.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["search", *sys.argv[1:]]))
