"""`python -m kinsim` is the command `kinsim`."""

import sys

from kinsim.present.cli import main

if __name__ == "__main__":
    sys.exit(main())
