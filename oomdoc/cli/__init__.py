"""Commands: one lazily imported module each; the only room that knows exit codes."""

import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; Ctrl-C is answered from the first import on."""
    try:
        from oomdoc.cli.root import run

        code = run(arguments)
    except KeyboardInterrupt:
        from oomdoc.cli import diagnostics

        diagnostics.interrupted()
        code = diagnostics.INTERRUPTED
    sys.exit(code)
