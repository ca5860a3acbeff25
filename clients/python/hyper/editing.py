"""Edit a task as text in an editor, and find what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import click

from hyper import dates, todotxt
from hyper.context import CommandContext
from hyper.failures import FAILED, INVALID, Failure
from hyper.wording import quoted

if TYPE_CHECKING:
    from hyperapi_client import Resource

_NAMES = ("Title", "List", "Done", "Due", "Priority", "Tags")
_YES = {"yes": True, "y": True, "true": True, "x": True, "no": False, "n": False, "false": False}
_HELP = """\
# {due}.
# Priority: none, low, medium, high. Tags: with commas between. The note follows the empty line.
"""


def edit_by_hand(ctx: CommandContext, task: Resource) -> dict[str, Any]:
    """Open a task in the user's editor ($VISUAL, $EDITOR).

    :returns: the changed members; empty when nothing was changed.
    :raises Failure: when the text is invalid. The message names the file that keeps it.
    """
    before = as_text(task.members, ctx.titles[task.list_uri])
    try:
        after = click.edit(before, extension=".md")
    except click.ClickException as error:
        raise Failure(
            error.message,
            FAILED,
            "Nothing was changed. Set EDITOR to one that works, or see: hyper edit --help",
        ) from error
    if after is None or after == before:
        return {}
    try:
        return _different(task.members, read(ctx, after))
    except Failure as failure:
        with NamedTemporaryFile("w", prefix="hyper-", suffix=".md", delete=False) as kept:
            kept.write(after)
        failure.hint = f"Nothing was changed. What you wrote is in {kept.name}."
        raise


def as_text(members: Mapping[str, Any], list_title: str) -> str:
    """Format a task for the editor."""
    text, _ = todotxt.split(members["description"])
    lines = {
        "Title": members["title"],
        "List": list_title,
        "Done": "yes" if members["done"] else "no",
        "Due": dates.editable(members["due_at"]),
        "Priority": members["priority"],
        "Tags": ", ".join(members["tags"]),
    }
    head = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return head + _HELP.format(due="Due " + dates.TAKEN) + "\n" + text + "\n"


def read(ctx: CommandContext, text: str) -> dict[str, Any]:
    """Parse an edited text.

    :raises Failure: naming the line that is not valid.
    """
    head, _, note = text.partition("\n\n")
    said: dict[str, str] = {}
    for line in head.splitlines():
        name, colon, value = line.partition(":")
        if line.startswith("#") or not line.strip():
            continue
        if not colon or name.strip().capitalize() not in _NAMES:
            raise Failure(f"{quoted(line)} is not one of the lines {', '.join(_NAMES)}.", INVALID)
        said[name.strip().capitalize()] = value.strip()
    return {**_members(ctx, said), "description": note.strip("\n")}


def _members(ctx: CommandContext, said: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "Title" in said:
        found["title"] = said["Title"]
    if "List" in said:
        found["list_uri"] = ctx.list_named(said["List"]).uri
    if "Done" in said:
        if said["Done"].lower() not in _YES:
            raise Failure(f"Done takes yes or no; {quoted(said['Done'])} is neither.", INVALID)
        found["done"] = _YES[said["Done"].lower()]
    if "Due" in said:
        try:
            found["due_at"] = dates.parse_due(said["Due"] or "none", ctx.now)
        except dates.NotADate as error:
            raise Failure(f"Due {error}.", INVALID) from None
    if "Priority" in said:
        found["priority"] = said["Priority"] or "none"
    if "Tags" in said:
        found["tags"] = [tag for each in said["Tags"].split(",") if (tag := each.strip())]
    return found


def _different(members: Mapping[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Return the members that were changed. Only these are sent."""
    shown = {**members, "description": todotxt.split(members["description"])[0].strip("\n")}
    if "due_at" in said and dates.editable(shown["due_at"]) == _editable(said["due_at"]):
        del said["due_at"]
    changed = {name: value for name, value in said.items() if shown[name] != value}
    if "description" in changed:
        changed["description"] = todotxt.joined(changed["description"], members["description"])
    return changed


def _editable(moment: Any) -> str:
    return dates.editable(None if moment is None else dates.written(moment))
