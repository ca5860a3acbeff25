"""``hyper api``: follow relations and submit forms; ``hyper completion``: shell completion."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import get_completion_class
from hyperapi_client.document import State, plain

from hyper.context import CommandContext
from hyper.escaping import visible
from hyper.failures import NOT_FOUND, USAGE, Failure
from hyper.group import command, hyper
from hyper.wording import quoted

if TYPE_CHECKING:
    from hyperapi_client import Resource


@command(hyper, "api")
@click.argument("path", metavar="REL...", nargs=-1)
@click.option("--submit", "-s", "form", metavar="FORM", help="Submit this form at the end.")
@click.option("--field", "-f", "fields", metavar="NAME=VALUE", multiple=True,
              help="Fill in a field of the form; again for more, or for a list.")  # fmt: skip
@click.option("--all", "-a", "everything", is_flag=True, help="All items, across pages.")
def api(
    ctx: CommandContext,
    path: tuple[str, ...],
    form: str | None,
    fields: tuple[str, ...],
    everything: bool,
) -> None:
    """Follow relations from the root, and print JSON.

    Each REL is a relation, a number (an item of the page), or NAME=VALUE, which expands the
    template of the relation before it:

    \b
        hyper api lists 1 tasks
        hyper api tasks search q=milk limit=5
        hyper api lists --submit create --field title=Groceries
    """
    place = _walk(ctx, path)
    if form is not None:
        place = place.submit(form, _pairs(fields))
        ctx.changed(f"Submitted the form {form}.", place)
    elif fields:
        raise Failure("--field fills in a form: add --submit FORM.", USAGE)
    if everything:
        for item in place.items():
            _print(ctx, plain(item.state))
    else:
        _print(ctx, _document(place.state))


def _walk(ctx: CommandContext, path: tuple[str, ...]) -> Resource:
    """Return the resource at the end of a path from the root."""
    place = ctx.client.root()
    steps: list[tuple[str, list[str]]] = []
    for word in path:
        if "=" in word and steps:
            steps[-1][1].append(word)
        else:
            steps.append((word, []))
    for step, values in steps:
        if step.isdecimal():
            items = place.on_page
            if not 1 <= int(step) <= len(items):
                raise Failure(f"There is no item {step} of {len(items)} here.", NOT_FOUND)
            place = items[int(step) - 1].reload()
        else:
            place = place.follow(step, **_pairs(values))
    return place


def _pairs(words: Iterable[str]) -> dict[str, Any]:
    """Return ``NAME=VALUE`` words as a mapping; repeated names give a list."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Failure(f"{quoted(word)} is not NAME=VALUE.", USAGE)
        if name in found:
            before = found[name] if isinstance(found[name], list) else [found[name]]
            found[name] = [*before, value]
        else:
            found[name] = value
    return found


def _document(state: State) -> dict[str, Any]:
    """Return a resource as a document: members, links, items, and forms with their fields."""
    document = plain(state)
    if state.items is not None:
        document["items"] = [plain(item) for item in state.items]
    document["forms"] = {
        name: {field.name: _about(field) for field in form.fields.values()}
        for name, form in (state.forms or {}).items()
    }
    return document


def _about(field: Any) -> str:
    """Describe a field in a few words."""
    choices = f" {'|'.join(field.options)}" if field.options else ""
    return f"{field.prompt}{choices}{' (required)' if field.required else ''}"


def _print(ctx: CommandContext, document: dict[str, Any]) -> None:
    if ctx.screen.for_people:
        for line in json.dumps(document, indent=2, ensure_ascii=False).splitlines():
            click.echo(visible(line))
    else:
        ctx.screen.json(document)


@hyper.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print shell completion of commands, options, and titles.

    \b
        bash: eval "$(hyper completion bash)"         in ~/.bashrc
        zsh:  eval "$(hyper completion zsh)"          in ~/.zshrc
        fish: hyper completion fish > ~/.config/fish/completions/hyper.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "the choices are those that click knows"
    source = kind(hyper, {}, "hyper", "_HYPER_COMPLETE").source()
    click.echo(source.replace("read type value", "read -r type value"))  # keeps backslashes
