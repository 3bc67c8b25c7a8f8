"""What holds for every test: nothing is written into the state folder of whoever runs them."""

import os
import tempfile

# Set at import, so that subprocesses inherit it; tests of the history turn it on in a folder of their own.
os.environ.setdefault("OOMDOC_HISTORY", "off")
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="oomdoc-tests-")
