"""`python -m alignbench` is the command line."""

from __future__ import annotations

import sys

from alignbench.cli import run

sys.exit(run())
