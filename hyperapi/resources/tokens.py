"""Tokens: sign-in, refresh and derivation create sessions, which can be listed and revoked."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from pydantic import MISSING
from sqlalchemy import bindparam

from hyperapi.auth import oauth_codes, sessions
from hyperapi.auth.authenticator import access_claims, principal_of, record_use
from hyperapi.auth.grants import CodeTrade, Derivation, PasswordGrant, Refresh, SignIn, TokenRequest
from hyperapi.auth.oauth_codes import Proof
from hyperapi.auth.security_log import record
from hyperapi.auth.sessions import COLUMNS, SessionOptions
from hyperapi.common.clock import now
from hyperapi.common.text import UUID, literal
from hyperapi.extension.collection import page, page_of, whole
from hyperapi.extension.declaration import LIST
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.http.bodies import FORM, JSON, Body
from hyperapi.http.client_network import client_address
from hyperapi.http.context import Context
from hyperapi.http.forms import FieldLimits, FormSpec, offers
from hyperapi.http.principal import Principal
from hyperapi.http.problems import (
    CredentialsInvalid,
    InsufficientScope,
    Invalid,
    NotFound,
    OAuthError,
    PasswordGrantClosed,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    TooManyRequests,
    TooManySessions,
    invalid,
)
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scope_check import require_scope
from hyperapi.http.scopes import ACCOUNT, OPEN, PUBLIC, SIGNED_IN, scope_pattern
from hyperapi.middleware.rate_limit import Limits
from hyperapi.middleware.sign_in_log import log_user, logged
from hyperapi.querying import filters
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Query, Sort
from hyperapi.querying.selection import Selection
from hyperapi.representations.form import Values
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Count, Instant, Members, ResourceType
from hyperapi.resources.credentials import signed_in
from hyperapi.storage.database import AnyRow
from hyperapi.storage.models import Session
from hyperapi.storage.row_scope import RowScope, find, find_keys, remove
from hyperapi.storage.security_events import DERIVE, REVOKE, SIGN_IN

TOKENS = Route(
    "tokens",
    "/tokens",
    relation="Sign-in. When signed in: your sessions.",
    root_link="tokens",
)

TOKEN = Route("token", "/tokens/<uuid:key>", refused_when_bound=False)

# -- query parameters

LISTING = Listing(
    Session,
    COLUMNS,
    filters={
        "current": filters.flag(
            Session.key == bindparam("this"), "true for this session, false for the others"
        )
    },
    sorts={"created_at": Sort(Session.created_at)},
    where=[Session.expires_at > bindparam("moment")],
)

SOME = Selection(LISTING, needs_filter=False)


def _also(who: Principal) -> dict[str, Any]:
    """Return the parameters of the listing's own conditions."""
    return {"moment": now(), "this": who.session}


# -- representations


class TokenMembers(Members):
    """A session: its scope, and the times of its creation, last use and end."""

    label: str
    scope: str
    client: str
    created_at: Instant
    last_used_at: Instant
    expires_at: Instant
    current: bool
    client_id: str | MISSING = MISSING


class NewTokenMembers(TokenMembers):
    """A session with its tokens, for the reply that issues them."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_at: Instant | MISSING = MISSING  # type: ignore[assignment]  # not for OAuth 2
    expires_in: Count
    refresh_token: str | MISSING = MISSING


TOKEN.returns = TOKEN_TYPE = ResourceType(
    "Token", TokenMembers, links=("collection",), sometimes=("up", "list"), titled_by="label"
)
NEW_TOKEN = replace(TOKEN_TYPE, name="NewToken", members=NewTokenMembers)
TOKENS.returns = TOKENS_TYPE = page_of(
    TOKEN_TYPE, "Tokens", "tokens", sometimes_templates=("search",)
)


def representer(ctx: Context, current: str) -> Callable[[AnyRow], Resource]:
    """Return a function from rows to resources, for use over many rows."""
    token_uri, tokens_uri = TOKEN.uri_of(ctx), TOKENS.uri(ctx)
    lists = ctx.state[OwnedResources].named.get(LIST)
    list_uri = lists and lists.item.uri_of(ctx)

    def represent(row: AnyRow) -> Resource:
        key, parent, list_, label, scope, client, _, _, made, used, expires, _, client_id, _ = row
        members = {
            "label": label,
            "scope": scope,
            "client": client,
            "created_at": made,
            "last_used_at": used,
            "expires_at": expires,
            "current": key == current,
        }
        if client_id is not None:
            members["client_id"] = client_id
        links = {"collection": tokens_uri}
        if parent is not None:
            links["up"] = token_uri(parent)
        if list_ is not None and list_uri:
            links["list"] = list_uri(list_)
        return Resource(
            TOKEN_TYPE,
            token_uri(key),
            members,
            links,
            forms=lambda: offers(ctx, FORMS, token_uri(key)),
        )

    return represent


def _known_scopes(ctx: Context, _: Values) -> FieldLimits:
    return {"scope": {"pattern": scope_pattern(ctx.state[RouteTable].scopes)}}


def _no_more_than_yours(ctx: Context, _: Values) -> FieldLimits:
    who = ctx.principal
    return {
        "scope": {"pattern": scope_pattern(who.scope.split())},
        "expires_in": {"maximum": sessions.longest_life_in_forms(ctx, who)},
    }


def _no_more_than_yours_on_a_list(ctx: Context, values: Values) -> FieldLimits:
    before, _, after = ctx.uris.template(LIST).partition("{uuid}")
    return {
        **_no_more_than_yours(ctx, values),
        "scope": {"pattern": scope_pattern(_most_on_a_list(ctx.principal).split())},
        "list_uri": {"pattern": f"^{literal(before)}{UUID}{literal(after)}$"},
    }


def _may_bind(ctx: Context, _: Values) -> bool:
    """Whether the principal can derive a token for one list."""
    has_lists = LIST in ctx.state[OwnedResources].named
    return has_lists and bool(_most_on_a_list(ctx.principal))


_REFRESH = FormSpec("refresh", "Refresh an access token", TOKENS, "POST", body=Refresh, media=JSON)
_DERIVED = ("label", "scope", "expires_in")
_DERIVED_FOR_LIST = ("label", "list_uri", "scope", "expires_in")


def _takes_passwords(ctx: Context, _: Values) -> bool:
    return ctx.settings.password_grant


FORMS = (FormSpec("revoke", "End this session", TOKEN, "DELETE"),)
FORMS_OF_ANYONE = (
    FormSpec(
        "login",
        "Sign in",
        TOKENS,
        "POST",
        body=SignIn,
        media=JSON,
        when=_takes_passwords,
        limits=_known_scopes,
    ),
    _REFRESH,
)
FORMS_OF_OWN = (
    _REFRESH,
    FormSpec(
        "derive",
        "Create a token with fewer rights",
        TOKENS,
        "POST",
        _DERIVED,
        body=Derivation,
        media=JSON,
        limits=_no_more_than_yours,
    ),
    FormSpec(
        "derive-for-list",
        "Create a token for one list",
        TOKENS,
        "POST",
        _DERIVED_FOR_LIST,
        ("list_uri",),
        body=Derivation,
        media=JSON,
        when=_may_bind,
        limits=_no_more_than_yours_on_a_list,
    ),
    FormSpec("revoke", "Sign out everywhere", TOKENS, "DELETE"),
)
FORMS_OF_ALL = (*FORMS_OF_OWN, FormSpec("search", "Search your sessions", TOKENS, "GET"))


# -- operations


@TOKENS.get(scope=PUBLIC, query=LISTING)
def get_tokens(ctx: Context, query: Query) -> Resource:
    """List your live sessions. Without a token: the forms to sign in."""
    who = ctx.principal_or_none
    if who is None:
        return whole(
            ctx,
            TOKENS_TYPE,
            TOKENS.uri(ctx),
            [],
            partial(offers, ctx, FORMS_OF_ANYONE, TOKENS.uri(ctx)),
        )
    represent = representer(ctx, who.session)
    if not who.may(ACCOUNT):
        return whole(
            ctx,
            TOKENS_TYPE,
            TOKENS.uri(ctx),
            [represent(_find(ctx, who, who.session))],
            partial(offers, ctx, FORMS_OF_OWN, TOKENS.uri(ctx)),
        )
    found = page(
        ctx, LISTING, query, who.row_scope, TOKENS_TYPE, TOKENS.uri(ctx), represent, also=_also(who)
    )
    found.forms = partial(offers, ctx, FORMS_OF_ALL, TOKENS.uri(ctx))
    return found


@TOKENS.post(
    scope=OPEN,
    body=TokenRequest,
    media=(JSON, FORM),
    own_transactions=True,
    grants=True,
    statuses=(200, 201),
    returns=NEW_TOKEN,
    problems=(
        CredentialsInvalid,
        OAuthError,
        PasswordGrantClosed,
        TokenExpired,
        TokenInvalid,
        TokenMissing,
        TokenRevoked,
        TooManyRequests,
        TooManySessions,
    ),
)
def create_token(ctx: Context, sent: Body) -> Reply:
    """Issue tokens for credentials, a code or a refresh token, or derive one with fewer rights."""
    if sent.answers_in is None:
        return _traded(ctx, type(sent), sent)
    if isinstance(sent, PasswordGrant) and not ctx.settings.password_grant:
        raise OAuthError.of(
            "unsupported_grant_type", "apps may not send passwords here: use authorization_code"
        )
    try:
        made = _traded(ctx, type(sent).__base__ or Body, sent)
    except (CredentialsInvalid, TokenInvalid) as problem:
        raise OAuthError.of("invalid_grant", problem.title) from None
    except Invalid as problem:
        raise OAuthError.invalid_request(problem) from None
    session = made.resource
    assert isinstance(session, Resource)
    # OAuth 2 libraries take this member for the expiry of the access token, as a number.
    told = {name: value for name, value in session.members.items() if name != "expires_at"}
    return Reply(replace(session, members=told), 200, [("Pragma", "no-cache")], secret=True)


@TOKENS.delete(scope=ACCOUNT, query=SOME)
def delete_tokens(ctx: Context, query: Query) -> Reply:
    """End your sessions, including the current one: all, or those that a filter selects."""
    who = _principal(ctx)
    if SOME.of(query, who.row_scope, {}, _also(who)).delete(ctx.tx):
        record(ctx, who.user, REVOKE)
    return no_content()


@TOKEN.get(scope=SIGNED_IN, problems=(InsufficientScope,))
def get_token(ctx: Context, key: str) -> Resource:
    """Get one of your sessions."""
    who = _principal_for(ctx, key)
    return representer(ctx, who.session)(_find(ctx, who, key))


@TOKEN.delete(scope=SIGNED_IN, problems=(InsufficientScope,))
def delete_token(ctx: Context, key: str) -> Reply:
    """End a session and those derived from it. Their tokens are invalid at the next request."""
    who = _principal_for(ctx, key)
    ended = remove(ctx.tx, Session, who.row_scope, key, COLUMNS)
    if ended is None:
        raise NotFound
    record(ctx, who.user, REVOKE, ended.label)
    return no_content()


# -- sign-in, refresh, derivation


def _traded(ctx: Context, kind: type[Body], sent: Body) -> Reply:
    action, trade = _TRADES[kind]
    with logged(ctx, action):
        return trade(ctx, sent)


def _sign_in(ctx: Context, sent: SignIn) -> Reply:
    """Open a session for credentials.

    :raises PasswordGrantClosed: when apps may not send passwords.
    """
    if not ctx.settings.password_grant:
        raise PasswordGrantClosed
    scope, life = sent.wanted_scope(ctx, ctx.state[RouteTable].scopes), sent.wanted_life()
    wanted = SessionOptions(sent.label, scope, life)

    def begin(row_scope: RowScope, _: str) -> tuple[RowScope, AnyRow]:
        record(ctx, row_scope.owner, SIGN_IN, sent.label)
        return row_scope, sessions.begin(ctx, row_scope, wanted)

    row_scope, row = signed_in(ctx, sent.username, sent.password, begin)
    return created(_with_secrets(ctx, row_scope, row, row.key), secret=True)


def _trade_code(ctx: Context, sent: CodeTrade) -> Reply:
    """Open the session of an authorization code."""
    ctx.state[Limits].requests.count(ctx, client_address(ctx))
    claims = oauth_codes.claims_of(ctx, sent.code)
    log_user(ctx, claims.owner)
    proof = Proof(sent.client_id, sent.redirect_uri, sent.code_verifier)
    row_scope, row = oauth_codes.trade(ctx, claims, proof)
    return created(_with_secrets(ctx, row_scope, row, row.key), secret=True)


def _refresh(ctx: Context, sent: Refresh) -> Reply:
    """Issue new tokens for the session of a refresh token."""
    claims = sessions.refresh_claims(ctx, sent.refresh_token)
    log_user(ctx, claims.owner)
    ctx.state[Limits].requests.count(ctx, claims.session)
    client_id = None if sent.client_id is MISSING else sent.client_id
    row_scope, row = sessions.refresh(ctx, claims, client_id)
    return Reply(_with_secrets(ctx, row_scope, row, row.key), secret=True)


def _derive(ctx: Context, sent: Derivation) -> Reply:
    """Open a session that derives from the current one and ends with it."""
    claims = access_claims(ctx)
    if claims is None:
        raise TokenMissing
    log_user(ctx, claims.owner)
    ctx.state[Limits].requests.count(ctx, claims.session)
    who, row = ctx.write(lambda: _open_derived(ctx, principal_of(ctx, claims, to_write=True), sent))
    record_use(ctx, who)
    return created(_with_secrets(ctx, who.row_scope, row, who.session), secret=True)


_TRADES: dict[type[Body], tuple[str, Callable[[Context, Any], Reply]]] = {
    SignIn: ("sign-in", _sign_in),
    CodeTrade: ("trade-code", _trade_code),
    Refresh: ("refresh", _refresh),
    Derivation: ("derive", _derive),
}


def _open_derived(ctx: Context, who: Principal, sent: Derivation) -> tuple[Principal, AnyRow]:
    only_list = _list_named(ctx, who, sent.list_uri)
    most = _most(who, only_list)
    if not most:
        raise invalid("/list_uri", "requires a scope for lists and tasks")
    scope = sent.wanted_scope(ctx, most.split())
    moment = now()
    left = sessions.derivable_until(ctx, who, moment) - moment
    life = sent.wanted_life() or min(left, timedelta(seconds=ctx.settings.access_token_lifetime))
    if life > left:
        raise invalid("/expires_in", _why_no_longer(ctx, who, left))
    record(ctx, who.user, DERIVE, sent.label)
    return who, sessions.begin(
        ctx, who.row_scope, SessionOptions(sent.label, scope, life, only_list), who
    )


def _why_no_longer(ctx: Context, who: Principal, left: timedelta) -> str:
    most = f"must be {int(left.total_seconds())} or less"
    if who.token_expires_at < who.expires_at and not sessions.signed_in_lately(ctx, who, now()):
        return f"{most}: your access token ends then. Sign in again to make a longer one"
    return f"{most}: the session of your token ends then"


def _most(who: Principal, only_list: str | None) -> str:
    """Return the widest scope of a derived token. A list-bound token has no scope account."""
    return who.scope if only_list is None else _most_on_a_list(who)


def _most_on_a_list(who: Principal) -> str:
    """Return the widest scope of a token that is bound to a list."""
    return " ".join(word for word in who.scope.split() if word != ACCOUNT)


def _list_named(ctx: Context, who: Principal, uri: Any) -> str | None:
    """Return the key of the list that a derived token is bound to; that of its parent by default.

    :raises Invalid: when the URI names no accessible list.
    """
    if uri is MISSING:
        return who.only_list
    lists = ctx.state[OwnedResources].named.get(LIST)
    if lists is None:
        raise invalid("/list_uri", "must be left out: this service has no lists")
    key = ctx.uris.named_by(uri, LIST)
    if key is None or not find_keys(ctx.tx, lists.model, who.row_scope, [key]):
        raise invalid("/list_uri", "must be the URI of one of your lists")
    return key


def _with_secrets(ctx: Context, row_scope: RowScope, row: AnyRow, current: str) -> Resource:
    """Return a session with its new tokens."""
    resource = representer(ctx, current)(row)
    resource.type = NEW_TOKEN
    resource.members = {**resource.members, **sessions.secrets(ctx, row_scope, row)}
    return resource


# -- helpers


def _principal(ctx: Context) -> Principal:
    who = ctx.principal_or_none
    assert who is not None, "the operation requires a token"
    return who


def _principal_for(ctx: Context, key: str) -> Principal:
    """Return the principal if it may access this session: its own, or any with scope account."""
    who = _principal(ctx)
    if key != who.session:
        require_scope(ACCOUNT, who)
    return who


def _find(ctx: Context, who: Principal, key: str) -> AnyRow:
    row = find(ctx.tx, Session, who.row_scope, key, COLUMNS)
    if row is None:
        raise NotFound
    return row
