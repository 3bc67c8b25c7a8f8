"""`python -m oomdoc` is `oomdoc`."""

from oomdoc.cli import main

main()
