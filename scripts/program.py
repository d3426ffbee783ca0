"""How this program was called, for the commands that it tells people to type."""

import os

NAME = os.environ.get("DEPLOYTAIL_CALLED", "deploytail")
