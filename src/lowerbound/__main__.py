"""``python -m lowerbound`` is ``lowerbound``."""

import sys

from lowerbound.interfaces.cli import main

sys.exit(main())
