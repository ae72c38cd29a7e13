"""Program: `search.py` that knows the toy space."""

import sys

from squeezenas.cli.main import main
from tests.search import toy  # noqa: F401

if __name__ == "__main__":
    sys.exit(main(["search", *sys.argv[1:]]))
