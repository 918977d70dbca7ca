"""``python -m freastal`` is the command ``freastal``."""

import sys

from freastal.cli import main

sys.exit(main())
