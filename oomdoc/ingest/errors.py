"""What can be wrong with an input, as one line that names the file and the reason."""


class InputError(Exception):
    """An input that cannot be read; the message stands alone: `train.log: binary file (ELF)`."""
