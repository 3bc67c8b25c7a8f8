"""The room behind a page: textual-serve with a token, a cookie and an origin check in front of it.

Every session is a process of the person who started the server, so nobody else may open one: not another user of the
machine (the token), not another page in the same browser (the origin of the socket).
"""

# mypy: disable-error-code="import-not-found,misc,untyped-decorator"
# textual-serve and aiohttp are optional: the types of this module are checked without them
import hmac
import secrets
import shlex
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

from oomdoc.messages import Language, say

_COOKIE = "oomdoc-token"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RoomServer(Server):
    """Serves one command to those who bring the token."""

    def __init__(
        self, program: Sequence[str], host: str, port: int, url: str | None, language: Language, token: str
    ) -> None:
        super().__init__(shlex.join(program), host=host, port=port, title="oomdoc", public_url=url)
        self.language = language
        self.token = token

    @property
    def address(self) -> str:
        """What to open in the browser."""
        return f"{self.public_url}/?token={self.token}"

    def initialize_logging(self) -> None:
        """Nothing of the library's own is printed."""

    async def on_startup(self, app: web.Application) -> None:
        """The address is the one line a person needs."""
        del app

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.query.get("token", "") or request.cookies.get(_COOKIE, "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return web.Response(status=403, text=say(self.language, "tui.web_token") + "\n")
        origin = request.headers.get("Origin")
        allowed = {request.host, urlsplit(self.public_url).netloc}
        if origin is not None and urlsplit(origin).netloc not in allowed:
            return web.Response(status=403, text=say(self.language, "tui.web_origin") + "\n")
        answer = await handler(request)
        if request.path == "/" and request.query.get("token"):
            answer.set_cookie(_COOKIE, self.token, httponly=True, samesite="Strict")
            answer.headers["Referrer-Policy"] = "no-referrer"
        return answer


def make_server(
    program: Sequence[str], host: str, port: int, url: str | None, language: Language, token: str | None = None
) -> RoomServer:
    """A server that is not running yet; the token is random unless given."""
    return RoomServer(program, host, port, url, language, token or secrets.token_urlsafe(24))
