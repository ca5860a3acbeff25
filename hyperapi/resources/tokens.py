"""Tokens: a session is made by signing in, stands in a list, and is ended by deleting it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from flask import current_app
from pydantic import MISSING
from sqlalchemy import bindparam, select

from hyperapi.access import Reach, change, find, remove, seen
from hyperapi.auth import sessions
from hyperapi.auth.grants import (
    SHORT_LIFE,
    Derivation,
    Refresh,
    SignIn,
    TokenRequest,
)
from hyperapi.auth.guard import Asker, asker_or_none, demand, identify, presented, stamp
from hyperapi.auth.passwords import Passwords
from hyperapi.auth.sessions import SEEN, Wanted, settings
from hyperapi.clock import now
from hyperapi.db import AnyRow, Statement, read, write
from hyperapi.hypermedia.kind import Count, Instant, Kind, Members
from hyperapi.hypermedia.model import Form, Resource
from hyperapi.models import Session, TaskList, User
from hyperapi.querying import filters
from hyperapi.querying.page import Listing
from hyperapi.querying.query import Query, Sort
from hyperapi.querying.selection import Selection
from hyperapi.resources.collection import page, page_of, whole
from hyperapi.web.forms import FORM, JSON, Body
from hyperapi.web.offers import offer, search
from hyperapi.web.problems import (
    CredentialsInvalid,
    InsufficientScope,
    Invalid,
    NotFound,
    OAuthError,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    TooManyRequests,
    TooManySessions,
    invalid,
)
from hyperapi.web.ratelimit import client_address, hashing, limits, sign_in_attempt
from hyperapi.web.replies import Reply, created, no_content
from hyperapi.web.routing import ACCOUNT, OPEN, PUBLIC, SCOPES, SIGNED_IN, Place
from hyperapi.web.sign_in_log import log_user, logged
from hyperapi.web.uris import named_by, uri_of

TOKENS = Place("tokens", "/tokens")

TOKEN = Place("token", "/tokens/<uuid:key>")

# -- what may be asked

LISTING = Listing(
    Session,
    SEEN,
    filters={"current": filters.flag(Session.key == bindparam("this"), "this session, or others")},
    sorts={"created_at": Sort(Session.created_at)},
    where=[Session.expires_at > bindparam("moment")],
)

SOME = Selection(LISTING, needs_filter=False)


def _also(who: Asker) -> dict[str, Any]:
    """What the listing leaves open."""
    return {"moment": now(), "this": who.session}


# -- what is seen


class TokenMembers(Members):
    """A session: what its token may do, and since when and until when it is good."""

    label: str
    scope: str
    client: str
    created_at: Instant
    last_used_at: Instant
    expires_at: Instant
    current: bool


class NewTokenMembers(TokenMembers):
    """The same with its secrets, as only the reply that made them shows it."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_at: Instant | MISSING = MISSING  # type: ignore[assignment]  # not for OAuth 2
    expires_in: Count
    refresh_token: str | MISSING = MISSING


TOKEN.shows = Kind("Token", TokenMembers, links=("collection",), sometimes=("up", "list"))
NEW_TOKEN = replace(TOKEN.shows, name="NewToken", members=NewTokenMembers)
TOKENS.shows = page_of(TOKEN.shows, "Tokens", "tokens", sometimes_templates=("search",))


def representer(current: str) -> Callable[[AnyRow], Resource]:
    """A function from rows to tokens as they are seen by the session ``current``."""
    token_uri, tokens_uri, list_uri = TOKEN.uri_of(), TOKENS.uri(), uri_of("list")

    def represent(row: AnyRow) -> Resource:
        key, parent, list_, label, scope, client, _, _, made, used, expires, *_ = row
        members = {
            "label": label,
            "scope": scope,
            "client": client,
            "created_at": made,
            "last_used_at": used,
            "expires_at": expires,
            "current": key == current,
        }
        links = {"collection": tokens_uri}
        if parent is not None:
            links["up"] = token_uri(parent)
        if list_ is not None:
            links["list"] = list_uri(list_)
        return Resource(token_uri(key), members, links, forms=lambda: _forms(token_uri(key)))

    return represent


def _forms(uri: str) -> list[Form]:
    return offer(TOKEN.operations["DELETE"], "revoke", "End this session", uri)


def _forms_of_anyone() -> list[Form]:
    post, uri = TOKENS.operations["POST"], TOKENS.uri()
    unlabelled = {"expires_in": {"max": SHORT_LIFE}}
    return [
        *offer(post, "login", "Sign in", uri, body=SignIn, changed=unlabelled),
        *offer(post, "refresh", "Renew a session", uri, body=Refresh),
    ]


def _forms_of_own() -> list[Form]:
    who = _asker()
    post, uri = TOKENS.operations["POST"], TOKENS.uri()
    return [
        *offer(post, "refresh", "Renew a session", uri, body=Refresh),
        *derive_form(who),
        *offer(TOKENS.operations["DELETE"], "revoke", "Sign out everywhere", uri),
    ]


def _forms_of_all() -> list[Form]:
    find_some = search(TOKENS.operations["GET"], "Look through your sessions", TOKENS.uri())
    return [*_forms_of_own(), *find_some]


def derive_form(who: Asker, only_list: str | None = None) -> list[Form]:
    """The form for a token that can do no more than the asking one, or only on one list."""
    words = "|".join(_most(who, only_list).split())
    return offer(
        TOKENS.operations["POST"],
        "derive",
        "Make a token that can do less",
        TOKENS.uri(),
        body=Derivation,
        fields=("label", "scope", "expires_in"),
        hidden={} if only_list is None else {"list_uri": only_list},
        changed={
            "scope": {"regex": f"^({words})( ({words}))*$"},
            "expires_in": {"max": sessions.longest_life_in_forms(who)},
        },
    )


# -- what may be done


@TOKENS.on("GET", scope=PUBLIC, asks=LISTING)
def get_tokens(query: Query) -> Resource:
    """Your live sessions; to anyone else, where to sign in."""
    who = asker_or_none()
    if who is None:
        return whole(TOKENS.uri(), "tokens", [], _forms_of_anyone)
    represent = representer(who.session)
    if not who.may(ACCOUNT):
        return whole(TOKENS.uri(), "tokens", [represent(_find(who, who.session))], _forms_of_own)
    found = page(LISTING, query, who.reach, TOKENS.uri(), "tokens", represent, also=_also(who))
    found.forms = _forms_of_all
    return found


@TOKENS.on(
    "POST",
    scope=OPEN,
    takes=TokenRequest,
    media=(JSON, FORM),
    alone=True,
    grants=True,
    answers=(200, 201),
    shows=NEW_TOKEN,
    raises=(
        CredentialsInvalid,
        OAuthError,
        TokenExpired,
        TokenInvalid,
        TokenMissing,
        TokenRevoked,
        TooManyRequests,
        TooManySessions,
    ),
)
def create_token(sent: Body) -> Reply:
    """Trade credentials, or a refresh token, for tokens; or derive a token that can do less."""
    if sent.answers_in is None:
        return _traded(type(sent), sent)
    try:
        made = _traded(type(sent).__base__ or Body, sent)
    except (CredentialsInvalid, TokenInvalid) as problem:
        raise OAuthError.of("invalid_grant", problem.title) from None
    except Invalid as problem:
        raise OAuthError.invalid_request(problem) from None
    session = made.resource
    assert isinstance(session, Resource)
    # To libraries, a member of this name is when the access token expires, as a number.
    told = {name: value for name, value in session.members.items() if name != "expires_at"}
    return Reply(replace(session, members=told), 200, [("Pragma", "no-cache")], secret=True)


@TOKENS.on("DELETE", scope=ACCOUNT, asks=SOME)
def delete_tokens(query: Query) -> Reply:
    """End all your sessions, this one too, or those that a filter selects."""
    who = _asker()
    SOME.of(query, who.reach, {}, _also(who)).delete()
    return no_content()


@TOKEN.on("GET", scope=SIGNED_IN, raises=(InsufficientScope,))
def get_token(key: str) -> Resource:
    """A session of yours."""
    who = _asker_about(key)
    return representer(who.session)(_find(who, key))


@TOKEN.on("DELETE", scope=SIGNED_IN, raises=(InsufficientScope,))
def delete_token(key: str) -> Reply:
    """End a session, and those derived from it; from the next request on their tokens are void."""
    if remove(Session, _asker_about(key).reach, key, SEEN) is None:
        raise NotFound
    return no_content()


# -- the three trades


def _traded(kind: type[Body], sent: Body) -> Reply:
    action, trade = _TRADES[kind]
    with logged(action):
        return trade(sent)


def _sign_in(sent: SignIn) -> Reply:
    """A new session for whoever these credentials are of."""
    scope, life = sent.wanted_scope(" ".join(SCOPES)), sent.wanted_life()
    name = sent.username.lower()
    limits().requests.count(client_address())
    with sign_in_attempt(name):
        user = read(lambda: _BY_NAME.row({"name": name}))
        kept = None
        if user is not None:
            kept = user.password_hash
            log_user(user.key)
        with hashing() as address:
            right, renewed = passwords().verify(sent.password, kept, address)
        if user is None or not right or user.disabled:
            raise CredentialsInvalid
        wanted = Wanted(sent.label, scope, life)
        row = write(lambda: _open_session(user, renewed, wanted))
    return created(_with_secrets(Reach(user.key), row, row.key), secret=True)


def _refresh(sent: Refresh) -> Reply:
    """The same session, with new tokens."""
    claims = sessions.refresh_claims(sent.refresh_token)
    log_user(claims.owner)
    limits().requests.count(claims.session)
    reach, row = sessions.refreshed(claims)
    return Reply(_with_secrets(reach, row, row.key), secret=True)


def _derive(sent: Derivation) -> Reply:
    """A session below the asking one, which ends with it."""
    claims = presented()
    if claims is None:
        raise TokenMissing
    log_user(claims.owner)
    limits().requests.count(claims.session)
    who, row = write(lambda: _open_derived(identify(claims, to_write=True), sent))
    stamp(who)
    return created(_with_secrets(who.reach, row, who.session), secret=True)


_TRADES: dict[type[Body], tuple[str, Callable[[Any], Reply]]] = {
    SignIn: ("sign-in", _sign_in),
    Refresh: ("refresh", _refresh),
    Derivation: ("derive", _derive),
}


def _open_session(user: AnyRow, renewed: str | None, wanted: Wanted) -> AnyRow:
    reach = Reach(user.key)
    current = find(User, reach, user.key, seen(User, "password_hash", "disabled"))
    if current is None or current.password_hash != user.password_hash or current.disabled:
        raise CredentialsInvalid  # changed while we were looking at the password
    if renewed is not None:
        change(User, reach, user.key, seen(User, "key"), password_hash=renewed)
    return sessions.begin(reach, wanted)


def _open_derived(who: Asker, sent: Derivation) -> tuple[Asker, AnyRow]:
    only_list = _list_named(who, sent.list_uri)
    most = _most(who, only_list)
    if not most:
        raise invalid("/list_uri", "needs a token that may do something on a list")
    scope = sent.wanted_scope(most)
    moment = now()
    left = sessions.derivable_until(who, moment) - moment
    life = sent.wanted_life() or min(left, timedelta(seconds=settings().access_token_lifetime))
    if life > left:
        raise invalid("/expires_in", _why_no_longer(who, left))
    return who, sessions.begin(who.reach, Wanted(sent.label, scope, life, only_list), who)


def _why_no_longer(who: Asker, left: timedelta) -> str:
    most = f"must be {int(left.total_seconds())} or less"
    if who.token_expires_at < who.expires_at and not sessions.signed_in_lately(who, now()):
        return f"{most}: your access token ends then. Sign in again to make a longer one"
    return f"{most}: the asking session ends then"


def _most(who: Asker, only_list: str | None) -> str:
    """The widest scope that a derived token may have: a token of one list has no account."""
    if only_list is None:
        return who.scope
    return " ".join(word for word in who.scope.split() if word != ACCOUNT)


def _list_named(who: Asker, uri: Any) -> str | None:
    """The key of the one list that a derived token is to be for; its parent's, if it has one.

    :raises Invalid: when the URI names no list within reach.
    """
    if uri is MISSING:
        return who.only_list
    key = named_by(uri, "list")
    if key is None or find(TaskList, who.reach, key, seen(TaskList, "key")) is None:
        raise invalid("/list_uri", "must be the URI of a list of yours")
    return key


def _with_secrets(reach: Reach, row: AnyRow, current: str) -> Resource:
    """A session as only the reply that made its tokens shows it."""
    resource = representer(current)(row)
    resource.members = {**resource.members, **sessions.secrets(reach, row)}
    return resource


_BY_NAME = Statement(
    select(User.key, User.password_hash, User.disabled).where(User.username == bindparam("name"))
)

# -- finders


def passwords() -> Passwords:
    """The application's keeper of passwords."""
    found: Passwords = current_app.extensions["hyperapi.passwords"]
    return found


def _asker() -> Asker:
    who = asker_or_none()
    assert who is not None, "only operations that want a token ask this"
    return who


def _asker_about(key: str) -> Asker:
    """The asker, if it may look at this session: its own always, others with their account."""
    who = _asker()
    if key != who.session:
        demand(ACCOUNT, who)
    return who


def _find(who: Asker, key: str) -> AnyRow:
    row = find(Session, who.reach, key, SEEN)
    if row is None:
        raise NotFound
    return row
