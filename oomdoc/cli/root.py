"""The root command: global options, lazy commands, and the one place that turns errors into exit codes."""

import os
from importlib import import_module

import click

from oomdoc import __version__
from oomdoc.cli import diagnostics

_COMMANDS = {
    "diagnose": "what ran out of memory, why, and what to do",
    "fix": "plans that fit, as a diff of your own files; applied on request",
    "undo": "take the last applied fix back",
    "history": "what was diagnosed and tried here; kept privately, removable",
    "ask": "one question to the dialogue, one answer",
    "chat": "the dialogue in line mode, for pipes and screen readers",
    "tui": "the doctor's room in the terminal; what oomdoc opens by itself",
    "watch": "follow a running log and speak up on trouble",
    "serve": "the room in a browser, on this machine",
    "explain": "a cause: its mechanism, its signs, its remedies",
    "rules": "list or check the rule base",
    "settings": "what the run actually used, and where each value came from",
    "frameworks": "list, check or start framework files",
    "estimate": "predict the memory of a run from its settings",
    "dryrun": "one training step on fake tensors: proof without a GPU",
    "probe": "one training step on the GPU, capped and cleaned up",
    "gpus": "who holds the GPU memory of this machine",
}


class LazyGroup(click.Group):
    """Imports a command's module when it is called; the list of commands and their help lines need no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands of this installation."""
        del ctx
        return [name for name in _COMMANDS if _exists(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, its module imported now."""
        del ctx
        if cmd_name not in _COMMANDS or not _exists(cmd_name):
            return None
        command = import_module(f"oomdoc.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help's list, written without importing any command."""
        rows = [(name, _COMMANDS[name]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _exists(name: str) -> bool:
    return os.path.exists(os.path.join(os.path.dirname(__file__), f"{name}.py"))  # noqa: PTH110, PTH118, PTH120


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--plain", is_flag=True, help="Line mode: for dumb terminals, screen readers and scripts.")
@click.option("--watch", metavar="LOG", help="Follow this log and speak up on trouble.")
@click.option("--resume", is_flag=True, help="Continue this folder's last conversation.")
@click.version_option(__version__, prog_name="oomdoc")
@click.pass_context
def cli(ctx: click.Context, plain: bool, watch: str | None, resume: bool) -> int | None:
    """Say why a run ran out of memory, and what to change.

    Without a command: the doctor's room, a conversation about the run of this folder.

    Example: oomdoc diagnose train.log -c train.yaml
    """
    if ctx.invoked_subcommand is not None:
        return None
    if plain or os.environ.get("TERM") == "dumb":
        from oomdoc.cli.chat import command as chat

        given = [*(["--resume"] if resume else []), *(["--watch", watch] if watch else [])]
        code: int = chat.main(args=given, standalone_mode=False)
        return code
    from oomdoc.cli.tui import open_room

    return open_room(watch=watch, resume=resume)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line: 0 cause named, 1 none nameable, 2 usage or unreadable input, 130 interrupted.

    Nothing but KeyboardInterrupt leaves this function; a defect of ours is one line too, its traceback on request.
    """
    try:
        code = cli.main(args=arguments, prog_name="oomdoc", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = diagnostics.USAGE
    except click.ClickException as error:
        from oomdoc.cli.usage import helped, sentence

        language = diagnostics.language_of(arguments)
        diagnostics.say_error(sentence(error, language), helped(error, language))
        code = diagnostics.USAGE
    except click.Abort:
        diagnostics.interrupted(diagnostics.language_of(arguments))
        code = diagnostics.INTERRUPTED
    except BrokenPipeError:
        code = diagnostics.NONE_NAMEABLE
    except diagnostics.expected_errors() as error:
        diagnostics.report(error, diagnostics.language_of(arguments))
        code = diagnostics.USAGE
    except Exception as error:
        if os.environ.get("OOMDOC_DEBUG"):
            raise
        diagnostics.defect(error, diagnostics.language_of(arguments))
        code = diagnostics.USAGE
    return code if isinstance(code, int) else diagnostics.NAMED
