"""Commands: one lazily imported module each; the only room that knows exit codes."""

import gc
import os
import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; Ctrl-C is answered from the first import on."""
    # A command lives for a fraction of a second and frees its memory by ending: looking for cycles after every 700
    # objects takes a tenth of that. No plugin of pydantic's is ours; looking for some reads every installed package.
    gc.set_threshold(100_000, 20, 20)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        from oomdoc.cli.root import run

        code = run(arguments)
    except KeyboardInterrupt:
        from oomdoc.cli import diagnostics

        diagnostics.interrupted(diagnostics.language_of(arguments))
        code = diagnostics.INTERRUPTED
    sys.exit(code)
