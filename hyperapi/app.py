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
from hyperapi.querying.cursor_encryption import Seals
from hyperapi.resources import OWNED, documents, reference_pages, routes_of, security_txt, with_root
from hyperapi.resources.owned import OwnedResource, OwnedResources
from hyperapi.resources.tokens import TOKENS
from hyperapi.settings import Settings
from hyperapi.state import AppState, attach
from hyperapi.storage import database
from hyperapi.storage.change_log import ChangeLog
from hyperapi.storage.models import Tables


def create_app(
    settings: Settings | None = None, also: Sequence[Route | OwnedResource] = ()
) -> Flask:
    """Create the WSGI application.

    :param settings: the operator's settings; read from the environment when None.
    :param also: further routes and owned resources, in addition to those of the API.
    """
    settings = settings or Settings.read()
    state = AppState(settings)
    app = Flask("hyperapi", static_folder=None)
    attach(app, state)
    owned = [*OWNED, *(each for each in also if isinstance(each, OwnedResource))]
    routes = with_root([*security_txt.routes(settings), *routes_of(also)])
    _add_parts(app, state, routes, owned)
    handler = state.add(RequestHandler(app, state))

    handler.before.append(proxy.refuse)
    cors.init_app(handler, settings)
    pipeline.init_app(handler, state)
    documents.init_app(handler)
    reference_pages.init_app(handler)
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


def _add_parts(
    app: Flask, state: AppState, routes: Sequence[Route], owned: Sequence[OwnedResource]
) -> None:
    """Register the parts that do not depend on a request."""
    keys = state.settings.secret_keys
    state.add(Passwords(state.settings))
    state.add(AccessTokens(keys))
    state.add(RefreshTokens(keys))
    state.add(Cursors(keys))
    state.add(Seals(keys))
    state.add(RouteTable(routes))
    state.add(OwnedResources(owned))
    state.add(ChangeLog(each.logged for each in owned))
    state.add(Tables(each.model for each in owned))
    state.add(TokenAuthenticator(), Authenticator)
    database.init_app(app, state)


def _add_metrics(app: Flask, state: AppState, handler: RequestHandler) -> None:
    from hyperapi.middleware import metrics  # noqa: PLC0415 - needs an extra

    metrics.init_app(app, state, handler, TOKENS.path)


def _redirect_to_root(ctx: Context) -> Response:
    """Redirect to the root of the API."""
    return redirect(ctx.uris.uri("root"))
