"""The typed state of one application: its settings and its parts."""

from typing import Any, TypeVar

from flask import Flask

from hyperapi.settings import Settings

Part = TypeVar("Part")

_EXTENSION = "hyperapi"


class AppState:
    """The settings of an application, and its parts by class.

    A part is looked up by its class: ``state[Database]``, ``state[Limits]``. A package can
    therefore add a part that the packages below it do not know.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._parts: dict[type, Any] = {}

    def add(self, part: Part, kind: type | None = None) -> Part:
        """Register a part and return it.

        :param kind: the class to register it under; the part's own class when None.
        :raises ValueError: when that class is registered already.
        """
        kind = kind or type(part)
        if kind in self._parts:
            raise ValueError(f"{kind.__name__} is registered already.")
        self._parts[kind] = part
        return part

    def replaced(self, kind: type[Part], part: Part) -> "AppState":
        """Return a state with another part of this class. The other parts are the same."""
        state = AppState(self.settings)
        state._parts = {**self._parts, kind: part}
        return state

    def __getitem__(self, kind: type[Part]) -> Part:
        """Return the part of a class.

        :raises KeyError: when there is none.
        """
        part: Part = self._parts[kind]
        return part

    def get(self, kind: type[Part]) -> Part | None:
        """Return the part of a class; None when there is none."""
        part: Part | None = self._parts.get(kind)
        return part


def attach(app: Flask, state: AppState) -> None:
    """Store ``state`` in its Flask application."""
    app.extensions[_EXTENSION] = state


def state_of(app: Flask) -> AppState:
    """Return the state of an application. Code that serves a request uses its context instead."""
    found: AppState = app.extensions[_EXTENSION]
    return found
