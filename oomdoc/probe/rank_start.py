"""What a launcher starts in every rank, as a file: makes our package importable there and hands over to rank_worker.

Arguments: the folder of the probe; launchers may add their own (DeepSpeed's --local_rank).
"""

import sys
import types
from importlib import import_module
from pathlib import Path


def start() -> None:
    """The folder of this file is not a place for modules of the training to be found in."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != here]
    package = types.ModuleType("oomdoc")
    package.__path__ = [str(here.parent)]
    sys.modules["oomdoc"] = package
    folder = next(word for word in sys.argv[1:] if not word.startswith("-"))
    import_module("oomdoc.probe.rank_worker").main(Path(folder))


if __name__ == "__main__":
    start()
