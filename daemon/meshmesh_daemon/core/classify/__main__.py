"""Prints the table of the classification."""

import sys

from meshmesh_daemon.core.classify.printed import page

sys.stdout.write(page())
