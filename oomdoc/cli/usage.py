"""What click says of a command line, in our form and in both languages: lower case, one line, no final period."""

import re

import click

from oomdoc.messages import Language, Said, say, told

# Click's own sentences (click/exceptions.py, click/types.py of 8.x), with what varies in them.
_TOLD = (
    ("no_command", r"no such command (?P<name>'.*?')\.?"),
    ("no_value", r"option (?P<name>'.*?') requires an argument"),
    ("several_values", r"option (?P<name>'.*?') requires (?P<count>\d+) arguments"),
    ("takes_none", r"option (?P<name>'.*?') does not take a value"),
    ("missing_option", r"missing option (?P<name>.+?)"),
    ("missing", r"missing (?:argument|parameter):? ?(?P<name>.+?)"),
    ("extra", r"got unexpected extra arguments? \((?P<name>.*)\)"),
    ("choice", r"(?P<value>'.*?') is not (?:one of )?(?P<choices>'.*')"),
    ("number", r"(?P<value>'.*?') is not a valid (?:integer(?: range)?|float(?: range)?|number)"),
    ("range", r"(?P<value>\S+) is not in the range (?P<range>.+)"),
    ("no_file", r"(?:path|file|directory) (?P<name>'.*?') does not exist"),
    ("is_folder", r"(?:path|file) (?P<name>'.*?') is a directory"),
    ("is_file", r"directory (?P<name>'.*?') is a file"),
    ("unreadable", r"(?:path|file|directory) (?P<name>'.*?') is not readable"),
    ("unwritable", r"(?:path|file|directory) (?P<name>'.*?') is not writable"),
)


def sentence(error: click.ClickException, language: Language) -> str:
    """What is wrong with the command line."""
    if isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter):
        hint = _hint(error)
        why = _spoken(error.message, language)
        return say(language, "usage.invalid", name=hint, why=why) if hint else why
    if isinstance(error, click.NoSuchOption) and language == "zh":
        near = ", ".join(error.possibilities or ())
        return say(language, "usage.no_option_near" if near else "usage.no_option", name=error.option_name, near=near)
    text = error.message if isinstance(error.message, Said) else error.format_message()
    return _spoken(text, language)


def helped(error: click.ClickException, language: Language) -> str | None:
    """Where the help stands."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return say(language, "usage.help", command=error.ctx.command_path)
    return None


def _hint(error: click.BadParameter) -> str:
    if error.param_hint is not None:
        hint = error.param_hint
        return hint if isinstance(hint, str) else " / ".join(repr(one) for one in hint)
    return error.param.get_error_hint(error.ctx) if error.param is not None and error.ctx is not None else ""


def _spoken(text: str, language: Language) -> str:
    """A sentence of ours in its language, one of click's in ours, any other as it is."""
    plain = _plain(" ".join(told(text, language).split()))
    if language == "en" or isinstance(text, Said):
        return plain
    for key, pattern in _TOLD:
        found = re.fullmatch(pattern, plain, re.IGNORECASE)
        if found is not None:
            return say(language, f"usage.{key}", **found.groupdict())
    return plain


def _plain(text: str) -> str:
    text = text.removesuffix(".")
    return text[:1].lower() + text[1:]
