"""`oomdoc serve`: the room in a browser, for machines reached only through a notebook or a forwarded port."""

import sys

import click

from oomdoc.cli import diagnostics
from oomdoc.messages import preferred, reason, say, told

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@click.command(name="serve")
@click.option("--host", default="localhost", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True)
@click.option("--url", help="Address under which browsers reach it, behind a proxy or a forwarded port.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; else OOMDOC_LANG, else the locale.")
def command(host: str, port: int, url: str | None, lang: str | None) -> int:
    """Open the doctor's room in a browser. Listens on this machine only, unless told otherwise.

    Whoever opens the page reads and changes files as you do: it takes the token in the printed address.

    Example: oomdoc serve --port 8765
    """
    from oomdoc.report.out import write

    language = preferred(lang)
    try:
        from oomdoc.tui.web import make_server
    except ImportError:
        diagnostics.say_error(say(language, "tui.no_serve"), say(language, "tui.no_serve_help"))
        return diagnostics.USAGE
    server = make_server([sys.executable, "-m", "oomdoc", "tui", "--lang", language], host, port, url, language)
    if host not in _LOOPBACK:
        diagnostics.say_error(say(language, "tui.web_open", host=host))
    write(say(language, "tui.web_address", address=server.address) + "\n")
    try:
        server.serve()
    except OSError as error:
        diagnostics.say_error(f"{host}:{port}: {told(reason(error), language)}")
        return diagnostics.USAGE
    return diagnostics.NAMED
