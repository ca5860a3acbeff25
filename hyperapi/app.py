"""The application factory: the parts in the order in which a request meets them."""

from collections.abc import Sequence

from flask import Flask

from hyperapi.auth.authenticator import TokenAuthenticator
from hyperapi.auth.passwords import Passwords
from hyperapi.auth.tokens import AccessTokens, RefreshTokens
from hyperapi.http import header_size, pipeline
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.principal import Authenticator
from hyperapi.http.problems import redirect
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.wsgi_response import Response
from hyperapi.middleware import change_notifier, cors, proxy, rate_limit, request_log
from hyperapi.middleware.concurrency import ConcurrencyLimit
from hyperapi.querying.cursor import Cursors
from hyperapi.querying.seal import Seals
from hyperapi.resources import ROUTES, documents, meanings, security
from hyperapi.resources.root import ROOT
from hyperapi.resources.tokens import TOKENS
from hyperapi.settings import Settings
from hyperapi.state import AppState, attach
from hyperapi.storage import database


def create_app(settings: Settings | None = None, also: Sequence[Route] = ()) -> Flask:
    """Create the WSGI application.

    :param settings: the operator's settings; read from the environment when None.
    :param also: further routes, in addition to those of the API.
    """
    settings = settings or Settings.read()
    state = AppState(settings)
    app = Flask("hyperapi", static_folder=None)
    attach(app, state)
    _add_parts(app, state, [*ROUTES, *security.routes(settings), *also])
    handler = state.add(RequestHandler(app, state))

    handler.before.append(proxy.refuse)
    cors.init_app(handler, settings)
    pipeline.init_app(handler, state)
    documents.init_app(handler)
    meanings.init_app(handler)
    handler.add("/", "home", _redirect_to_root, ["GET", "HEAD"])
    rate_limit.init_app(handler, state)
    change_notifier.init_app(state)
    request_log.init_app(handler)
    if settings.metrics_port:
        _add_metrics(app, state, handler)

    limit = state.add(ConcurrencyLimit(settings.threads))
    app.wsgi_app = header_size.bounded(  # type: ignore[method-assign, assignment]
        proxy.around(limit.around(handler), settings)
    )
    return app


def _add_parts(app: Flask, state: AppState, routes: Sequence[Route]) -> None:
    """Register the parts that do not depend on a request."""
    keys = state.settings.secret_keys
    state.add(Passwords(state.settings))
    state.add(AccessTokens(keys))
    state.add(RefreshTokens(keys))
    state.add(Cursors(keys))
    state.add(Seals(keys))
    state.add(RouteTable(routes))
    state.add(TokenAuthenticator(), Authenticator)
    database.init_app(app, state)


def _add_metrics(app: Flask, state: AppState, handler: RequestHandler) -> None:
    from hyperapi.middleware import metrics  # noqa: PLC0415 - needs an extra

    metrics.init_app(app, state, handler, TOKENS.path)


def _redirect_to_root(ctx: Context) -> Response:
    """Redirect to the root of the API."""
    return redirect(ROOT.uri(ctx))
