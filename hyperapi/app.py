"""The application, put together from its parts in the order in which a request meets them."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from flask import Flask, Request, redirect
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response

from hyperapi import db
from hyperapi.auth.guard import ACCESS_PREFIX, REFRESH_PREFIX
from hyperapi.auth.passwords import Passwords
from hyperapi.auth.tokens import Tokens
from hyperapi.querying.cursor import Cursors
from hyperapi.querying.seal import Seals
from hyperapi.resources import PLACES, documents, meanings, security
from hyperapi.resources.root import ROOT
from hyperapi.resources.tokens import TOKENS
from hyperapi.settings import Settings
from hyperapi.web import (
    answer,
    cors,
    header_size,
    news,
    problems,
    proxy,
    ratelimit,
    requestlog,
    turns,
)
from hyperapi.web.routing import Place
from hyperapi.web.uris import without_long_query


class _Application(Flask):
    """Flask without what nothing here uses, and every request would pay for."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is: none here is a coroutine."""
        return func

    def raise_routing_exception(self, request: Request) -> NoReturn:
        """Refuse or redirect; a redirect repeats no long query, which its sender chose."""
        reason = request.routing_exception
        if isinstance(reason, RequestRedirect):
            reason.new_url = without_long_query(reason.new_url)
        super().raise_routing_exception(request)


class _NoSessions(SessionInterface):
    """No session cookies: who asks is told by a token."""

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002
        return _NO_SESSION

    def save_session(self, *_: Any) -> None:
        """Nothing is kept."""


_NO_SESSION = NullSession()


def create_app(settings: Settings | None = None, also: Sequence[Place] = ()) -> Flask:
    """A WSGI application that serves the API.

    :param settings: what the operator chose; read from the environment when it is not given.
    :param also: resources beside those of the API.
    """
    settings = settings or Settings.read()
    app = _Application("hyperapi", static_folder=None)
    app.session_interface = _NoSessions()
    app.extensions["hyperapi.settings"] = settings
    app.extensions["hyperapi.passwords"] = Passwords(settings)
    app.extensions["hyperapi.access_tokens"] = Tokens(settings.secret_keys, "access", ACCESS_PREFIX)
    app.extensions["hyperapi.refresh_tokens"] = Tokens(
        settings.secret_keys, "refresh", REFRESH_PREFIX
    )
    app.extensions["hyperapi.cursors"] = Cursors(settings.secret_keys)
    app.extensions["hyperapi.seals"] = Seals(settings.secret_keys)
    requestlog.init_app(app)
    cors.init_app(app, settings)
    proxy.init_app(app, settings)
    ratelimit.init_app(app, settings)
    news.init_app(app, settings)
    turns.init_app(app, settings)
    db.init_app(app, settings)
    problems.init_app(app)
    answer.register(app, [*PLACES, *security.places(settings), *also])
    documents.init_app(app)
    meanings.init_app(app)
    if settings.metrics_port:
        import_module("hyperapi.web.metrics").init_app(app, TOKENS.path)  # needs an extra
    app.add_url_rule("/", "home", _home)
    header_size.init_app(app)
    return app


def _home() -> Response:
    """Whoever comes to the bare host is led to the API."""
    return redirect(ROOT.uri())
