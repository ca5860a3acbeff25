"""The parts of one application, each of them once."""

from typing import TypeVar, cast

from flask import Flask

from hyperapi.settings import Settings

Part = TypeVar("Part")

_EXTENSION = "hyperapi"


class AppState:
    """What one application has: its settings, and its parts by their class.

    A part is found by its class, so that a package can add one without any package below it
    knowing the class: ``state[Database]``, ``state[Limits]``.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._parts: dict[type, object] = {}

    def add(self, part: Part, kind: type | None = None) -> Part:
        """Keep a part.

        :param kind: the class that it is found by; its own when None.
        :raises ValueError: when there is one of that class already.
        """
        kind = kind or type(part)
        if kind in self._parts:
            raise ValueError(f"There is a {kind.__name__} already.")
        self._parts[kind] = part
        return part

    def __getitem__(self, kind: type[Part]) -> Part:
        """The part of a class.

        :raises KeyError: when there is none.
        """
        return cast(Part, self._parts[kind])

    def get(self, kind: type[Part]) -> Part | None:
        """The part of a class; None when there is none."""
        return cast("Part | None", self._parts.get(kind))


def attach(app: Flask, state: AppState) -> None:
    """Keep ``state`` with the Flask application that it belongs to."""
    app.extensions[_EXTENSION] = state


def state_of(app: Flask) -> AppState:
    """The state of an application. Not for use on the way of a request, which has its context."""
    found: AppState = app.extensions[_EXTENSION]
    return found
