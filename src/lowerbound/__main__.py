"""``python -m lowerbound`` is ``lowerbound``."""

import sys

from lowerbound.cli import main

sys.exit(main())
