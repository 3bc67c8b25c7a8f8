"""What can be wrong with an input, as one line that names the file and the reason."""

from oomdoc.messages import Said, said


class InputError(Exception):
    """An input that cannot be read; the message stands alone: `train.log: binary file (ELF)`."""

    @classmethod
    def of(cls, name: str, key: str, **places: object) -> "InputError":
        """The error of one input: a sentence of the section [input], behind the name of the file."""
        return cls(named(name, said(f"input.{key}", **places)))

    @classmethod
    def because(cls, name: str, why: str) -> "InputError":
        """The error of one input, for a reason in the system's words."""
        return cls(named(name, why))


def named(name: str, why: str) -> Said:
    """A sentence behind the name of a file."""
    return said("input.named", name=name, why=why)
