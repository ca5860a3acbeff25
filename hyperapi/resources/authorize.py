"""The page on which a user permits an app (OAuth 2.1 authorization endpoint).

There is no cookie. The sign-in gives a ticket, which the form of the consent sends back.
"""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import MISSING, Field
from sqlalchemy import bindparam, select

from hyperapi.auth import oauth_codes
from hyperapi.auth.authorization import (
    REQUEST,
    AuthorizationRequest,
    ReportedError,
    Tickets,
    read_request,
)
from hyperapi.auth.grants import LONG_LIFE, LONGEST_SCOPE, ListUri, Password, Username
from hyperapi.auth.oauth_codes import Consent
from hyperapi.auth.redirect_uris import form_actions, is_on_this_machine, place_of
from hyperapi.auth.security_log import record
from hyperapi.common.clock import now
from hyperapi.extension.declaration import LIST
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.http.about import site_of
from hyperapi.http.bodies import FORM, Body, TextOf, form_fields, media_type
from hyperapi.http.context import Context
from hyperapi.http.problems import (
    AuthorizationRefused,
    CredentialsInvalid,
    ForeignOrigin,
    Problem,
    TooManyRequests,
    UnsupportedMediaType,
    challenged,
)
from hyperapi.http.responses import NO_STORE
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import ACCOUNT, OPEN
from hyperapi.http.wsgi_response import Compression, Response
from hyperapi.middleware.sign_in_log import log_user, logged
from hyperapi.representations import consent, html
from hyperapi.representations.consent import ConsentPage
from hyperapi.resources.credentials import signed_in
from hyperapi.storage.database import Statement
from hyperapi.storage.models import TaskList, User
from hyperapi.storage.row_scope import RowScope, find, find_keys, owned, selected_columns
from hyperapi.storage.security_events import CONSENT, SIGN_IN

AUTHORIZE = Route(
    "authorize",
    "/authorize",
    offers=(html.MEDIA_TYPE,),
    relation="The page on which a user permits an app (OAuth 2.1). Apps open it in a browser.",
    root_link="authorize",
    protocol=True,
    navigated=True,
)

_MOST_LISTS = 1000
_HOUR, _DAY = 3600, 86_400
_LIVES = (
    (_HOUR, "for an hour"),
    (_DAY, "for a day"),
    (7 * _DAY, "for a week"),
    (30 * _DAY, "for 30 days"),
    (90 * _DAY, "for 90 days"),
)
_TOO_OLD = "You took too long, or something has changed. Sign in again."


class PageForm(Body):
    """A form of the page."""

    @classmethod
    def kinds(cls, media: str = FORM) -> tuple[type[Body], ...]:  # noqa: ARG003
        """Return the forms: the one to sign in, and the one to answer."""
        return (PageSignIn, PageAnswer)

    @classmethod
    def read(
        cls, ctx: Context, body: bytes, content_type: str, media: tuple[str, ...], _: Any
    ) -> Body:
        """Parse a form. A form of another site is refused before it is read.

        :raises ForeignOrigin: for such a form.
        """
        _refuse_foreign(ctx)
        if media_type(content_type) != FORM:
            raise UnsupportedMediaType(headers=[("Accept", ", ".join(media))])
        kind = PageAnswer if "ticket" in form_fields(PageAnswer, body) else PageSignIn
        return kind.of(form_fields(kind, body))


class PageSignIn(Body):
    """A user name and a password."""

    username: Username
    password: Password


class PageAnswer(Body):
    """What the user decided. Without a restriction the token reaches all that the user has."""

    ticket: Annotated[str, TextOf(300, 1), Field(title="Ticket")]
    answer: Annotated[str, TextOf(10, 1), Field(title="allow or deny")]
    scope: Annotated[
        list[Annotated[str, TextOf(LONGEST_SCOPE)]], Field(title="Scopes", max_length=100)
    ] = Field(default_factory=list)
    list_uri: ListUri | MISSING = MISSING
    expires_in: Annotated[int, Field(title="Life in seconds", ge=1, le=LONG_LIFE)] | MISSING = (
        MISSING
    )

    @property
    def chosen_list(self) -> str:
        """The URI of the only list; empty for all lists."""
        return "" if self.list_uri is MISSING else self.list_uri


@AUTHORIZE.get(
    scope=OPEN,
    query=REQUEST,
    own_transactions=True,
    statuses=(200, 303),
    problems=(AuthorizationRefused,),
)
def get_authorize(ctx: Context, sent: Mapping[str, str]) -> Response:
    """Show the page on which a user permits an app. Without parameters it says what it is for."""
    if not sent:
        return _shown(ctx, ConsentPage(title="Access for apps"))
    try:
        request = read_request(ctx, sent)
    except ReportedError as error:
        return _back_to_app(error.target)
    return _shown(ctx, _sign_in_page(ctx, request, sent), request)


@AUTHORIZE.post(
    scope=OPEN,
    query=REQUEST,
    body=PageForm,
    media=(FORM,),
    own_transactions=True,
    statuses=(200, 303),
    problems=(AuthorizationRefused, CredentialsInvalid, ForeignOrigin, TooManyRequests),
)
def post_authorize(ctx: Context, sent: Mapping[str, str], form: Body) -> Response:
    """Sign in for an app, or answer it. The browser then returns to the app with a code."""
    try:
        request = read_request(ctx, sent)
    except ReportedError as error:
        return _back_to_app(error.target)
    if isinstance(form, PageSignIn):
        return _signed_in(ctx, request, sent, form)
    assert isinstance(form, PageAnswer)
    return _answered(ctx, request, sent, form)


# -- signing in


def _signed_in(
    ctx: Context, request: AuthorizationRequest, sent: Mapping[str, str], form: PageSignIn
) -> Response:
    def page(row_scope: RowScope, password_hash: str) -> ConsentPage:
        record(ctx, row_scope.owner, SIGN_IN, request.client.name)
        moment = now().timestamp()
        ticket = ctx.state[Tickets].write(row_scope.owner, moment, request, password_hash)
        return _consent_page(ctx, request, sent, row_scope, ticket, request.scopes)

    try:
        with logged(ctx, "sign-in-for-app"):
            shown = signed_in(ctx, form.username, form.password, page)
    except CredentialsInvalid as problem:
        error = f"{problem.title}. {problem.advice}"
        again = _sign_in_page(ctx, request, sent, error, form.username)
        return _shown(ctx, again, request, problem)
    return _shown(ctx, shown, request)


# -- answering


def _answered(
    ctx: Context, request: AuthorizationRequest, sent: Mapping[str, str], form: PageAnswer
) -> Response:
    """Send the browser back to the app. Show the page again when the answer is not complete."""
    owner = ctx.state[Tickets].owner_of(form.ticket, now().timestamp())
    if owner is None:
        return _shown(ctx, _sign_in_page(ctx, request, sent, _TOO_OLD), request)
    if form.answer != "allow":
        return _back_to_app(request.reply(error="access_denied"))
    with logged(ctx, "consent"):
        log_user(ctx, owner)
        decided = ctx.write(lambda: _decided(ctx, request, sent, form, RowScope(owner)))
    if isinstance(decided, ConsentPage):
        return _shown(ctx, decided, request)
    return _back_to_app(request.reply(code=decided))


def _decided(
    ctx: Context,
    request: AuthorizationRequest,
    sent: Mapping[str, str],
    form: PageAnswer,
    row_scope: RowScope,
) -> str | ConsentPage:
    """Return the code for the app, or the page on which the user corrects the answer."""
    user = find(ctx.tx, User, row_scope, row_scope.owner, _OF_USER)
    kept = "" if user is None or user.disabled else user.password_hash
    if not ctx.state[Tickets].is_valid(form.ticket, request, kept):
        return _sign_in_page(ctx, request, sent, _TOO_OLD)
    key = ctx.uris.named_by(form.chosen_list, LIST) if form.chosen_list else None
    fault = _fault_of(ctx, request, form, row_scope, key)
    if fault:
        return _consent_page(ctx, request, sent, row_scope, form.ticket, form.scope, fault)
    record(ctx, row_scope.owner, CONSENT, request.client.name)
    return oauth_codes.issue(
        ctx,
        row_scope.owner,
        Consent(
            request.client.id,
            request.redirect_uri,
            request.challenge,
            request.client.name,
            " ".join(sorted(set(form.scope))),
            key,
            None if form.expires_in is MISSING else form.expires_in,
        ),
    )


def _fault_of(
    ctx: Context,
    request: AuthorizationRequest,
    form: PageAnswer,
    row_scope: RowScope,
    key: str | None,
) -> str:
    """Return why an answer cannot be carried out; empty when it can."""
    if not form.scope or not set(form.scope) <= set(request.scopes):
        return "Choose at least one of the things that the app may do, or deny the access."
    if not form.chosen_list:
        return ""
    lists = ctx.state[OwnedResources].named.get(LIST)
    if lists is None or key is None or not find_keys(ctx.tx, lists.model, row_scope, [key]):
        return "That list does not exist any more. Choose another one."
    if ACCOUNT in form.scope:
        return f"For one list the app cannot have {ACCOUNT}. Choose all lists, or take that out."
    return ""


# -- pages


def _sign_in_page(
    ctx: Context,
    request: AuthorizationRequest,
    sent: Mapping[str, str],
    error: str = "",
    username: str = "",
) -> ConsentPage:
    return ConsentPage(
        title="Sign in", **_about_app(ctx, request, sent), error=error, username=username
    )


def _consent_page(
    ctx: Context,
    request: AuthorizationRequest,
    sent: Mapping[str, str],
    row_scope: RowScope,
    ticket: str,
    chosen: Any,
    error: str = "",
) -> ConsentPage:
    user = find(ctx.tx, User, row_scope, row_scope.owner, _OF_USER)
    assert user is not None, "the user signed in"
    known = ctx.state[RouteTable].scopes
    longest = ctx.settings.session_lifetime
    return ConsentPage(
        title=f"Allow {request.client.name}?",
        **_about_app(ctx, request, sent),
        error=error,
        username=user.username,
        ticket=ticket,
        scopes=[(str(each), each.meaning) for each in known if each in request.scopes],
        chosen=chosen,
        lists=_lists_of(ctx, row_scope),
        lives=[(seconds, words) for seconds, words in _LIVES if seconds <= longest],
    )


def _about_app(
    ctx: Context, request: AuthorizationRequest, sent: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "app": request.client.name,
        "place": place_of(request.redirect_uri),
        "is_local": is_on_this_machine(request.redirect_uri),
        "is_unknown": request.client.is_self_registered,
        "action": f"{AUTHORIZE.uri(ctx)}?{urlencode(sent)}",
    }


def _lists_of(ctx: Context, row_scope: RowScope) -> list[tuple[str, str]] | None:
    """Return URIs and titles of the user's lists; None in a service without lists."""
    lists = ctx.state[OwnedResources].named.get(LIST)
    if lists is None:
        return None
    uri = lists.item.uri_of(ctx)
    rows = _LISTS.rows(ctx.tx, {**row_scope.parameters(), "most": _MOST_LISTS})
    return [(uri(key), title) for key, title in rows]


def _shown(
    ctx: Context,
    page: ConsentPage,
    request: AuthorizationRequest | None = None,
    problem: Problem | None = None,
) -> Response:
    """Return a page, with the status and headers of a problem if there is one."""
    site = site_of(ctx)
    target = "" if request is None else form_actions(request.redirect_uri)
    headers = [
        *consent.headers(site, target),
        ("Vary", "Accept, Origin"),
        ("Cache-Control", NO_STORE),
        ("Content-Type", html.CONTENT_TYPE),
    ]
    status = 200
    if problem is not None:
        status = problem.status
        headers += challenged(ctx, problem)
    body = consent.written(page, site).encode()
    return Response(status, headers, body, Compression.NEVER)


def _back_to_app(target: str) -> Response:
    """Send the browser to the redirect URI (RFC 9700 §4.12: 303 never repeats the form)."""
    return Response(303, [("Location", target), ("Vary", "Origin"), ("Cache-Control", NO_STORE)])


def _refuse_foreign(ctx: Context) -> None:
    """Refuse a form that a page of another origin sent.

    :raises ForeignOrigin: for such a form.
    """
    scheme, host, _ = ctx.uris.base
    origin = ctx.environ.get("HTTP_ORIGIN")
    site = ctx.environ.get("HTTP_SEC_FETCH_SITE", "none")
    if origin not in (None, f"{scheme}://{host}") or site not in ("none", "same-origin"):
        raise ForeignOrigin


_OF_USER = selected_columns(User, "username", "password_hash", "disabled")
_LISTS = Statement(
    select(TaskList.key, TaskList.title)
    .where(*owned(TaskList, bound=False))
    .order_by(TaskList.title_folded, TaskList.key)
    .limit(bindparam("most"))
)
