"""The application factory: the parts in the order in which a request meets them."""

from collections.abc import Sequence

from flask import Flask

from hyperapi.auth.authenticator import AUTHENTICATOR
from hyperapi.auth.authorization import Tickets
from hyperapi.auth.common_passwords import CommonPasswords
from hyperapi.auth.oauth_codes import Codes
from hyperapi.auth.passwords import Passwords
from hyperapi.auth.recovery import RecoveryTokens
from hyperapi.auth.security_log import Refusals
from hyperapi.auth.tokens import AccessTokens, RefreshTokens
from hyperapi.common.concurrency import Application, ConcurrencyLimit
from hyperapi.common.sealed_ids import SealedIds
from hyperapi.extension.extension import Extension, Extensions
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.http import header_size, pipeline
from hyperapi.http.about import LinksForPrograms
from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.pipeline import Pipeline
from hyperapi.http.principal import Authenticator
from hyperapi.http.problems import prefers_pages, redirect
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.uris import UriSpace
from hyperapi.http.wsgi_response import Response
from hyperapi.middleware import (
    change_notifier,
    compression,
    cors,
    proxy,
    rate_limit,
    request_log,
)
from hyperapi.middleware.change_notifier import ChangeNotifier
from hyperapi.middleware.rate_limit import Limits
from hyperapi.querying.cursor import Cursors
from hyperapi.querying.cursor_encryption import Seals
from hyperapi.resources import (
    BUILT_IN,
    documents,
    load_extensions,
    logo,
    mcp,
    oauth_metadata,
    reference_pages,
    routes_of,
    security_txt,
)
from hyperapi.resources.documents import Description
from hyperapi.resources.tokens import TOKENS
from hyperapi.settings import Settings
from hyperapi.state import AppState, attach, state_of
from hyperapi.storage import database
from hyperapi.storage.change_log import ChangeLog
from hyperapi.storage.models import Tables
from hyperapi.storage.schema import Schemas


def create_app(
    settings: Settings | None = None,
    also: Sequence[Route] = (),
    extensions: Sequence[Extension] = (),
) -> Flask:
    """Create the WSGI application.

    :param settings: the operator's settings; read from the environment when None.
    :param also: further routes.
    :param extensions: further extensions, in addition to those that the settings name.
    :raises SettingsError: when an extension or a package that a setting needs is not installed, or
        an extension needs another resource.
    """
    settings = settings or Settings.read()
    extended = extensions_of(settings, extensions)
    if settings.mcp:
        mcp.load_packages()
    state = AppState(settings)
    app = Flask("hyperapi", static_folder=None)
    attach(app, state)
    _add_shared_parts(
        state, extended, [*security_txt.routes(settings), *logo.routes(settings), *also]
    )
    state.add(UriSpace(app))
    _add_own_parts(state)
    state.add(ConcurrencyLimit(settings.slots))
    database.init_app(app, state)
    handler = state.add(RequestHandler(app, state))

    handler.before.append(proxy.refuse)
    cors.init_app(handler, settings)
    pipeline.init_app(handler, state)
    documents.init_app(handler, state)
    reference_pages.init_app(handler)
    oauth_metadata.init_app(handler, state)
    if settings.mcp:
        mcp.init_app(handler, state)
    handler.add("/", "home", _redirect_home, ["GET", "HEAD"])
    rate_limit.init_app(handler, state)
    change_notifier.init_app(state)
    compression.init_app(handler)
    request_log.init_app(handler)
    if settings.metrics_port:
        _add_metrics(state, handler)
    header_size.init_app(handler)

    serve(app, handler)
    return app


def serve(app: Flask, application: Application) -> None:
    """Let an application serve a WSGI application, behind the proxy and the concurrency limit."""
    state = state_of(app)
    limited = state[ConcurrencyLimit].around(application)
    app.wsgi_app = proxy.around(limited, state.settings)  # type: ignore[method-assign]


def extensions_of(settings: Settings, further: Sequence[Extension] = ()) -> Extensions:
    """Return the service's own extensions, those that the settings name, and further ones.

    :raises SettingsError: when one is not installed, or needs another resource.
    """
    own = (BUILT_IN[name] for name in settings.resources)
    return Extensions([*own, *load_extensions(settings.extensions), *further])


SHARED = (
    Authenticator,
    ChangeLog,
    ChangeNotifier,
    CommonPasswords,
    ConcurrencyLimit,
    Description,
    Extensions,
    LinksForPrograms,
    OwnedResources,
    Passwords,
    Pipeline,
    RequestHandler,
    RouteTable,
    Schemas,
    Tables,
)
"""The parts that a further state shares with the first: they hold no data, keys or counts of users.

Every other part is added by :func:`_add_own_parts`, or is the database or its URIs."""


def further_state(app: Flask, settings: Settings) -> AppState:
    """Create a state with a database, keys and counters of its own, served by the same routes.

    :class:`RequestHandler` serves requests with it.
    """
    first, state = state_of(app), AppState(settings)
    for kind in SHARED:
        state.add(first[kind], kind)
    state.add(UriSpace(app, first[UriSpace]))
    _add_own_parts(state)
    database.add_further(state)
    return state


def _add_shared_parts(state: AppState, extended: Extensions, further: Sequence[Route]) -> None:
    """Add what the routes, tables and settings declare."""
    state.add(extended)
    table = state.add(
        extended.route_table(
            lambda: routes_of(
                extended.all,
                further,
                keeps_history=state.settings.history_lifetime > 0,
                keeps_security_log=state.settings.security_log_lifetime > 0,
                serves_mcp=state.settings.mcp,
                registers_clients=state.settings.client_registration == "open",
            )
        )
    )
    state.add(LinksForPrograms(" ".join(table.links_for_programs)))
    state.add(Passwords(state.settings))
    state.add(CommonPasswords.chosen(state.settings))
    state.add(OwnedResources(extended.resources))
    state.add(ChangeLog(each.logged for each in extended.resources))
    state.add(Tables(extended.models))
    state.add(extended.schemas)
    state.add(AUTHENTICATOR)


def _add_own_parts(state: AppState) -> None:
    """Add what depends on the secret keys, or counts or keeps what users do."""
    keys = state.settings.secret_keys
    state.add(AccessTokens(keys))
    state.add(RefreshTokens(keys))
    state.add(Codes(keys))
    state.add(Tickets(keys))
    state.add(RecoveryTokens(keys))
    state.add(Cursors(keys))
    state.add(Seals(keys))
    state.add(SealedIds(keys))
    state.add(Refusals(state))
    state.add(Limits(state.settings))


def _add_metrics(state: AppState, handler: RequestHandler) -> None:
    from hyperapi.middleware import metrics  # noqa: PLC0415 - needs an extra

    metrics.init_app(state, handler, TOKENS.path)


def _redirect_home(ctx: Context) -> Response:
    """Redirect programs to the root of the API, and browsers to the front page for people."""
    accepted = ctx.environ.get("HTTP_ACCEPT", "")
    response = redirect(ctx.uris.uri("docs" if prefers_pages(accepted) else "root"))
    response.add(("Vary", "Accept, Origin"))
    return response
