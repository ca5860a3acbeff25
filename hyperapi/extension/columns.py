"""The columns that hold the members of a body."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hyperapi.common.text import folded
from hyperapi.extension.conversions import Convert, unless_null
from hyperapi.extension.hooks import HookedResource
from hyperapi.http.context import Context
from hyperapi.http.problems import Invalid


def at_the_top(_: int) -> str:
    """Return the JSON Pointer of the members of a body with one resource."""
    return ""


def to_columns(
    ctx: Context,
    resource: HookedResource,
    several: Sequence[Mapping[str, Any]],
    at: Callable[[int], str] = at_the_top,
) -> list[dict[str, Any]]:
    """Return members of several resources as the columns that hold them.

    :param at: from the place of one to the JSON Pointer of its members in the body.
    :raises Invalid: when one refers to what the principal does not have.
    """
    for members in several:
        resource.check(ctx, members)
    columns: list[dict[str, Any]] = [{} for _ in several]
    errors: list[dict[str, str]] = []
    for name in dict.fromkeys(name for members in several for name in members):
        _write(ctx, resource, name, several, columns, at, errors)
    if errors:
        raise Invalid(errors=errors)
    return columns


def _write(
    ctx: Context,
    resource: HookedResource,
    name: str,
    several: Sequence[Mapping[str, Any]],
    columns: Sequence[dict[str, Any]],
    at: Callable[[int], str],
    errors: list[dict[str, str]],
) -> None:
    """Add the columns of one member to those of each resource that has it."""
    column, write = resource.column_of(name), _writer(ctx, resource, name, several)
    fold = f"{name}_folded" if f"{name}_folded" in resource.table.c else None
    for place, members in enumerate(several):
        if name not in members:
            continue
        try:
            columns[place][column] = write(members[name])
        except ValueError as error:
            errors.append({"pointer": f"{at(place)}/{name}", "detail": str(error)})
        if fold:
            columns[place][fold] = _folded(members[name])


def _writer(
    ctx: Context, resource: HookedResource, name: str, several: Sequence[Mapping[str, Any]]
) -> Convert:
    conversion = resource.conversion_of(name)
    if conversion is None:
        return _unchanged
    sent = [each[name] for each in several if each.get(name) is not None]
    return unless_null(conversion.writer(ctx, sent)) if sent else _unchanged


def _unchanged(value: Any) -> Any:
    return value


def _folded(text: str | None) -> str | None:
    return None if text is None else folded(text)
