"""``hyper security``: sign-ins to the account, and what changed who can reach it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click
from hyperapi_client.document import plain

from hyper import dates
from hyper.context import CommandContext
from hyper.group import command, hyper

if TYPE_CHECKING:
    from hyperapi_client import Resource
    from rich.text import Text

_SHOWN = 25
_PAGE = 100
_SUCCESS = "success"


@command(hyper, "security")
@click.option("--event", "-e", metavar="EVENT", help="Only these: sign-in, revoke, consent …")
@click.option("--limit", "-n", type=click.IntRange(1), help=f"How many; {_SHOWN} on a terminal.")
def security(ctx: CommandContext, event: str | None, limit: int | None) -> None:
    """Show the sign-ins to your account, newest first.

    It also shows refused ones, new tokens, consents to apps, ended sessions, and changes of name
    and password.
    End a session that is not yours with: hyper tokens revoke
    """
    asked = {} if event is None else {"event": event}
    log = ctx.client.follow("user").follow("security-log").search(limit=_PAGE, **asked)
    screen = ctx.screen
    shown = islice(log.items(), limit or (_SHOWN if screen.for_people else None))
    if screen.as_json:
        for each in shown:
            screen.json(plain(each.state))
    elif not screen.for_people:
        screen.lines(_row(each) for each in shown)
    else:
        from hyper.formatting import plain_table

        rows = [_cells(ctx, each) for each in shown]
        screen.out.print(plain_table(["When", "Event", "Outcome", "Session", "From"], rows))


def _row(event: Resource) -> list[str]:
    """Return an event for pipes: time, event, outcome, session, client, network, count."""
    origin = [event.session or "", event.client or "", event.network or ""]
    return [event.at, event.event, event.outcome, *origin, str(event.count)]


def _cells(ctx: CommandContext, event: Resource) -> list[Text]:
    from rich.text import Text

    from hyper.escaping import visible

    outcome = "" if event.outcome == _SUCCESS else event.outcome
    many = f" ({event.count} times)" if event.count > 1 else ""
    origin = " ".join(each for each in (event.network, event.client) if each)
    told = [dates.ago(event.at, ctx.now), event.event + many, outcome, event.session or "", origin]
    style = "dim" if event.outcome == _SUCCESS else ""
    return [Text(visible(each), style=style) for each in told]
