"""Tokens: ``hyper tokens``, and its commands ``create`` and ``revoke``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click
from hyperapi_client import FieldErrors
from hyperapi_client.document import plain

from hyper import dates
from hyper.context import CommandContext
from hyper.failures import INVALID, NOT_FOUND, USAGE, Failure
from hyper.group import command, complete_list, hyper, subgroup
from hyper.listing import confirm
from hyper.numbering import number_in
from hyper.sign_in import asked_name, asked_password, password_option
from hyper.wording import quoted

if TYPE_CHECKING:
    from hyperapi_client import Resource

_SCOPES = ("tasks:read", "tasks:write", "account")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31_536_000}
_LONGEST = _UNITS["y"]
_DEFAULT_LIFE = "1h"
_PAGE = 100
_FOR_TIMES = 80


@subgroup(hyper, "tokens")
def tokens(context: click.Context) -> None:
    """Show where you are signed in; create or revoke tokens."""
    if context.invoked_subcommand is not None:
        return
    ctx = context.ensure_object(CommandContext)
    found = _sessions(ctx)
    if ctx.screen.as_json:
        for each in found:
            ctx.screen.json(plain(each.state))
    elif not ctx.screen.for_people:
        ctx.screen.lines([each.label, each.scope, each.expires_at, each.uri] for each in found)
    else:
        from hyper.formatting import plain_table

        ctx.remember("tokens", [each.state for each in found])
        with_times = ctx.screen.out.width >= _FOR_TIMES
        ctx.screen.out.print(
            plain_table(
                [">", "Label", "May", *["Made", "Used"] * with_times, "Ends", ""],
                [_row(ctx, number, each, with_times) for number, each in enumerate(found, 1)],
            )
        )


@command(tokens, "create")
@click.argument("label")
@click.option("--scope", "-s", multiple=True, help=f"{', '.join(_SCOPES)}; again: more.")
@click.option("--list", "-l", "list_name", metavar="LIST", shell_complete=complete_list,
              help="Bind the token to this list.")  # fmt: skip
@click.option("--expires", "-e", metavar="SPAN", help="12h, 30d, 1y …; by default 1h at most.")
@click.option(
    "--lasting", is_flag=True, help="Keep it valid after you sign out; asks for your password."
)
@password_option
def create(
    ctx: CommandContext,
    label: str,
    scope: tuple[str, ...],
    list_name: str | None,
    expires: str | None,
    lasting: bool,
    password_stdin: bool,
) -> None:
    """Create a token for a script. It is printed once.

    The token can do no more than you can, and it ends with your session. From ten minutes after you
    sign in, it lasts an hour at most. With --lasting it has a session of its own and lasts as long
    as you ask. Give it to the script as HYPERAPI_TOKEN.
    """
    wanted: dict[str, Any] = {"label": label}
    if expires is not None or lasting:
        wanted["expires_in"] = _seconds(expires or _DEFAULT_LIFE)
    if scope:
        wanted["scope"] = _scope(" ".join(scope))
    if not lasting:
        made = _derived(ctx, list_name, wanted)
    elif list_name is None:
        made = _signed_in_anew(ctx, wanted, password_stdin)
    else:
        raise Failure("A lasting token is for all lists. Remove --list or --lasting.", USAGE)
    if ctx.screen.as_json:
        ctx.screen.json(plain(made.state))
        return
    ctx.screen.lines([[made.access_token]])
    if ctx.screen.for_people:
        ends = dates.readable(dates.written(dates.local(made.expires_at)), ctx.now)
        ctx.screen.note(f"Its scope is {made.scope}, until {ends}.")


def _derived(ctx: CommandContext, list_name: str | None, wanted: dict[str, Any]) -> Resource:
    """Derive a token from ours.

    :raises Failure: when it would outlive our session, or our access token when the sign-in is not
        recent.
    """
    on = None if list_name is None else ctx.list_named(list_name)
    try:
        return ctx.client.derive(on, **wanted)
    except FieldErrors as error:
        if all(each.name != "expires_in" for each in error.errors):
            raise
        raise Failure(
            "--expires is longer than a token made from your session may last now.",
            INVALID,
            "Remove it, or add --lasting for a token with a session of its own. For a token "
            "bound to one list, sign in again first: hyper login",
        ) from error


def _signed_in_anew(ctx: CommandContext, wanted: dict[str, Any], password_stdin: bool) -> Resource:
    """Return a token with a session of its own."""
    client = ctx.client_at(ctx.account.root)
    name = ctx.account.username or asked_name(None)
    return client.login(name, asked_password(password_stdin), **wanted)


@command(tokens, "revoke")
@click.argument("which", metavar="TOKEN", required=False)
@click.option("--others", is_flag=True, help="All sessions but this one.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
def revoke(ctx: CommandContext, which: str | None, others: bool, yes: bool) -> None:
    """Revoke a token (by its number, label or URI) and all tokens derived from it."""
    found = _sessions(ctx)
    if others and which is not None:
        raise Failure("Give either TOKEN or --others, and not both.", USAGE)
    if others:
        ended = [each for each in found if not each.current]
    elif which is None:
        raise Failure("Give the number or the label of the token.", INVALID, "See: hyper tokens")
    else:
        ended = [_named(ctx, found, which)]
    if not ended:
        ctx.screen.say("There is no other token.")
        return
    confirm(f"End {', '.join(quoted(_name(each)) for each in ended)}?", yes)
    for each in ended:
        each.submit("revoke")
        ctx.screen.say(f"Ended {quoted(_name(each))}.")


def _sessions(ctx: CommandContext) -> list[Resource]:
    found = ctx.client.follow("tokens")
    if "search" in found.links:
        found = found.search(sort="created_at", limit=_PAGE)
    return list(found.items())


def _name(session: Resource) -> str:
    """Return the name of a session in tables."""
    return str(session.label or session.client)


def _named(ctx: CommandContext, found: list[Resource], which: str) -> Resource:
    """Return the session with this number, label or URI.

    :raises Failure: when there is none, or more than one.
    """
    number = number_in(which)
    shown = None if number is None else ctx.numbers.uri("tokens", number)
    fitting = [each for each in found if each.uri == shown or which in (_name(each), each.uri)]
    if not fitting:
        raise Failure(f"There is no token {quoted(which)}.", NOT_FOUND, "See: hyper tokens")
    if len(fitting) > 1:
        candidates = [f"{each.uri}  {_name(each)}" for each in fitting]
        raise Failure(
            f"{len(fitting)} tokens could be meant by {quoted(which)}. Name one by its URI:",
            NOT_FOUND,
            "\n".join(candidates),
        )
    return fitting[0]


def _row(ctx: CommandContext, number: int, session: Resource, with_times: bool) -> list[str]:
    times = [dates.ago(session.created_at, ctx.now), dates.ago(session.last_used_at, ctx.now)]
    return [
        str(number),
        _name(session),
        "everything" if set(session.scope.split()) == set(_SCOPES) else session.scope,
        *(times if with_times else []),
        dates.readable(session.expires_at, ctx.now),
        "this one" if session.current else "",
    ]


def _scope(words: str) -> str:
    """Return a scope for the server.

    :raises Failure: for an unknown part.
    """
    wanted = words.replace(",", " ").split()
    strange = [word for word in wanted if word not in _SCOPES]
    if strange:
        known = ", ".join(_SCOPES)
        raise Failure(f"--scope takes {known}; {quoted(strange[0])} is none of these.", INVALID)
    return " ".join(wanted)


def _seconds(span: str) -> int:
    """Return the lifetime of a token in seconds.

    :raises Failure: when it is not a span, or is too long.
    """
    match = re.fullmatch(r"([0-9]{1,9}) ?([smhdwy]?)", span.lower().strip())
    seconds = int(match[1]) * _UNITS[match[2] or "s"] if match else 0
    if not 0 < seconds <= _LONGEST:
        raise Failure(
            f"--expires takes a span as 12h, 30d or 2w, up to 1y; {quoted(span)} is none.", INVALID
        )
    return seconds
