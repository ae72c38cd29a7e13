"""Train a network: `python train.py [group=card] [key=value] [flags]`, see --help."""

import sys

from squeezenas.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
