"""``hyperapi bookmarks``: import and export the bookmarks of a user."""

from typing import Any, TextIO

import click

from hyperapi.extension import AppState, Body, Context, Problem, read_as, with_state, write_as
from hyperapi_bookmarks import browser_file
from hyperapi_bookmarks.resource import BOOKMARKS, secret_in


@click.group()
def bookmarks() -> None:
    """Import and export the bookmarks of a user."""


@bookmarks.command("import")
@click.argument("username")
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"))
@with_state
def import_(state: AppState, username: str, file: TextIO) -> None:
    """Keep the bookmarks of a FILE that a browser exported. All of them, or none."""
    found = {each["url"]: each for each in browser_file.read(file.read())}
    valid = {url: new for url, each in found.items() if (new := _new(each)) is not None}

    def keep(ctx: Context) -> int:
        known = {each.members["url"] for each in BOOKMARKS.all(ctx)}
        new = [each for url, each in valid.items() if url not in known]
        return len(BOOKMARKS.insert_all(ctx, new))

    number = write_as(state, username, keep)
    there, wrong = len(valid) - number, len(found) - len(valid)
    click.echo(f"{number} imported, {there} there already, {wrong} left out.")


@bookmarks.command("export")
@click.argument("username")
@with_state
def export(state: AppState, username: str) -> None:
    """Print a file of bookmarks that browsers can import."""
    all_ = read_as(state, username, lambda ctx: [each.members for each in BOOKMARKS.all(ctx)])
    click.echo("".join(browser_file.write(all_)), nl=False)


def _new(members: dict[str, Any]) -> Body | None:
    """Validate members as a request would. None for those that no bookmark may have, such as an
    address that is not one of the web."""
    try:
        return None if secret_in(members["url"]) else BOOKMARKS.bodies.new.of(members)
    except Problem:
        return None
