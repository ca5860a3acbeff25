"""Tokens: ``hyper tokens``, and below it ``create`` and ``revoke``."""

import re

import click

from hyperapi.client import Resource
from hyperapi.client.document import plain
from hyperapi.command import dates
from hyperapi.command.desk import Desk
from hyperapi.command.failures import INVALID, NOT_FOUND, Failure
from hyperapi.command.group import command, complete_list, hyper, subgroup
from hyperapi.command.listing import confirm
from hyperapi.command.showing import plain_table

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PAGE = 100


@subgroup(hyper, "tokens")
def tokens(context: click.Context) -> None:
    """Show where you are signed in; or make a token for a script, or end one."""
    if context.invoked_subcommand is not None:
        return
    desk = context.ensure_object(Desk)
    found = _sessions(desk)
    if desk.screen.as_json:
        for each in found:
            desk.screen.json(plain(each.state))
    elif not desk.screen.for_people:
        desk.screen.lines([each.label, each.scope, each.expires_at, each.uri] for each in found)
    else:
        desk.screen.out.print(
            plain_table(
                [">", "Label", "May", "Made", "Used", "Ends", ""],
                [[str(number), *_row(desk, each)] for number, each in enumerate(found, 1)],
            )
        )


@command(tokens, "create")
@click.argument("label")
@click.option("--scope", "-s", multiple=True, help="tasks:read, tasks:write, account; again: more.")
@click.option("--list", "-l", "list_name", metavar="LIST", shell_complete=complete_list,
              help="For this list alone.")  # fmt: skip
@click.option("--expires", "-e", metavar="SPAN", default="1h", help="12h, 30d …; 1h unless told.")
def create(
    desk: Desk, label: str, scope: tuple[str, ...], list_name: str | None, expires: str
) -> None:
    """Make a token for a script, and print it: it is shown this once.

    It can do no more than you can, and ends with your session at the latest. Give it to the
    script as HYPERAPI_TOKEN.
    """
    wanted = {"label": label, "expires_in": _seconds(expires)}
    if scope:
        wanted["scope"] = " ".join(" ".join(scope).replace(",", " ").split())
    on = None if list_name is None else desk.list_named(list_name)
    made = desk.client.derive(on, **wanted)
    if desk.screen.as_json:
        desk.screen.json(plain(made.state))
        return
    desk.screen.lines([[made.access_token]])
    if desk.screen.for_people:
        ends = dates.readable(dates.written(dates.local(made.expires_at)), desk.now)
        desk.screen.note(f"It may {made.scope}, until {ends}.")


@command(tokens, "revoke")
@click.argument("which", metavar="TOKEN", required=False)
@click.option("--others", is_flag=True, help="All but this one.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def revoke(desk: Desk, which: str | None, others: bool, yes: bool) -> None:
    """End a token (by its number, label or URI) and all that were made from it."""
    found = _sessions(desk)
    if others:
        ended = [each for each in found if not each.current]
    elif which is None:
        raise Failure("Which one? Say its number or label.", INVALID, "See: hyper tokens")
    else:
        ended = [_named(found, which)]
    confirm(
        f"End {', '.join(repr(each.label or each.client) for each in ended) or 'nothing'}?", yes
    )
    for each in ended:
        each.submit("revoke")
        desk.screen.say(f"Ended {each.label or each.client!r}.")


def _sessions(desk: Desk) -> list[Resource]:
    found = desk.client.follow("tokens")
    if "search" in found.links:
        found = found.search(sort="created_at", limit=_PAGE)
    return list(found.items())


def _named(found: list[Resource], which: str) -> Resource:
    if which.isdecimal() and 1 <= int(which) <= len(found):
        return found[int(which) - 1]
    fitting = [each for each in found if which in (each.label, each.uri)]
    if len(fitting) != 1:
        count = f"{len(fitting)} tokens are" if fitting else "No token is"
        raise Failure(f"{count} called {which!r}.", NOT_FOUND, "See: hyper tokens")
    return fitting[0]


def _row(desk: Desk, session: Resource) -> list[str]:
    return [
        session.label or session.client,
        session.scope,
        dates.ago(session.created_at, desk.now),
        dates.ago(session.last_used_at, desk.now),
        dates.readable(session.expires_at, desk.now),
        "this one" if session.current else "",
    ]


def _seconds(span: str) -> int:
    match = re.fullmatch(r"([0-9]{1,9}) ?([smhdw]?)", span.lower().strip())
    if match is None:
        raise Failure(f"--expires takes a span as 12h, 30d or 2w; {span!r} is none.", INVALID)
    return int(match[1]) * _UNITS[match[2] or "s"]
