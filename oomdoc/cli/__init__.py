"""Commands: one lazily imported module each; the only room that knows exit codes."""

from oomdoc.cli.root import main as main
