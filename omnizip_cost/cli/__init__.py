"""The command line: one file per command, no arithmetic."""

from omnizip_cost.cli.app import main

__all__ = ["main"]
