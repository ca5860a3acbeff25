"""The security log: what happened to the signed-in user's account."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Literal

from sqlalchemy import bindparam

from hyperapi.auth.security_log import Refusals
from hyperapi.common.clock import now
from hyperapi.extension.collection import page, page_of
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import NotFound
from hyperapi.http.routes import Route
from hyperapi.http.scopes import ACCOUNT
from hyperapi.querying import filters
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Query, Sort
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Count, Instant, Members, ResourceType
from hyperapi.storage.database import AnyRow
from hyperapi.storage.models import SecurityEvent
from hyperapi.storage.row_scope import find, selected_columns
from hyperapi.storage.security_events import EVENTS

COLUMNS = selected_columns(
    SecurityEvent, "key", "at", "event", "outcome", "session", "client", "network", "count"
)
LISTING = Listing(
    SecurityEvent,
    COLUMNS,
    filters={"event": filters.named(SecurityEvent.event, EVENTS, "events of this type")},
    sorts={"at": Sort(SecurityEvent.at)},
    default_sort="-at",
    where=[SecurityEvent.at > bindparam("oldest", type_=SecurityEvent.at.type)],
)


class SecurityEventMembers(Members):
    """An event of the security log: its time and type, the label of the session, the program and
    the network that it came from, and its outcome: `success`, the problem that refused it, or
    `link-made` where the operator made a link to set a new password.

    `count` is more than 1 where one entry stands for the further events of a day."""

    at: Instant
    event: Literal[EVENTS]  # type: ignore[valid-type]  # the names of that module
    session: str | None
    client: str | None
    network: str | None
    outcome: str
    count: Count


SECURITY_EVENT_TYPE = ResourceType(
    "SecurityEvent", SecurityEventMembers, links=("collection",), titled_by="event"
)
SECURITY_LOG_TYPE = page_of(SECURITY_EVENT_TYPE, "SecurityLog", "events", templates=("search",))
SECURITY_LOG = Route(
    "security-log",
    "/security-log",
    returns=SECURITY_LOG_TYPE,
    relation="Sign-ins to your account, refused ones too, and changes of who can reach it, in "
    "pages, the newest first.",
    refused_when_bound=True,
)
SECURITY_EVENT = Route(
    "security_event",
    "/security-log/<uuid:key>",
    returns=SECURITY_EVENT_TYPE,
    refused_when_bound=True,
)
ROUTES = [SECURITY_LOG, SECURITY_EVENT]

FORMS = (FormSpec("search", "Search the security log", SECURITY_LOG, "GET"),)


@SECURITY_LOG.get(scope=ACCOUNT, query=LISTING, own_transactions=True)
def get_security_log(ctx: Context, query: Query) -> Resource:
    """List the sign-ins to your account, and what changed who can reach it, in pages."""
    ctx.state[Refusals].write()
    return ctx.read(lambda: _page(ctx, query))


@SECURITY_EVENT.get(scope=ACCOUNT)
def get_security_event(ctx: Context, key: str) -> Resource:
    """Get one event of your security log."""
    row = find(ctx.tx, SecurityEvent, ctx.row_scope, key, COLUMNS)
    if row is None:
        raise NotFound
    return _representer(ctx)(row)


def _page(ctx: Context, query: Query) -> Resource:
    uri = SECURITY_LOG.uri(ctx)
    oldest = now() - timedelta(seconds=ctx.settings.security_log_lifetime)
    represent, also = _representer(ctx), {"oldest": oldest}
    found = page(ctx, LISTING, query, ctx.row_scope, SECURITY_LOG_TYPE, uri, represent, also=also)
    found.forms = partial(offers, ctx, FORMS, uri)
    return found


def _representer(ctx: Context) -> Callable[[AnyRow], Resource]:
    """Return a function from rows to resources."""
    uri_of, log = SECURITY_EVENT.uri_of(ctx), SECURITY_LOG.uri(ctx)

    def represent(row: AnyRow) -> Resource:
        key, at, event, outcome, session, client, network, count = row
        members = {
            "at": at,
            "event": event,
            "session": session,
            "client": client,
            "network": network,
            "outcome": outcome,
            "count": count,
        }
        return Resource(SECURITY_EVENT_TYPE, uri_of(key), members, {"collection": log})

    return represent
