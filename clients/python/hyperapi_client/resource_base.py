"""What a resource is to whoever holds one, with threads or coroutines: all but what asks the
server."""

from collections.abc import Mapping
from typing import Any, Self

from hyperapi_client.document import Link, State


class Shown:
    """Something that the server showed.

    Members are attributes (``task.title``) and items (``task["title"]``). It does not change: what
    is done to it returns a new one.

    :ivar state: all that it said, as plain values.
    """

    __slots__ = ("_client", "state")

    def __init__(self, client: Any, state: State) -> None:
        self._client = client
        self.state = state

    @property
    def uri(self) -> str:
        """Its own URI, which names it for ever."""
        return self.state.uri

    @property
    def members(self) -> Mapping[str, Any]:
        """Its data, as JSON values."""
        return self.state.members

    @property
    def links(self) -> Mapping[str, Link]:
        """Where it leads, by relation."""
        return self.state.links

    @property
    def on_page(self) -> tuple[Self, ...]:
        """The items of a collection that are on this page."""
        return tuple(type(self)(self._client, item) for item in self.state.items or ())

    @property
    def first(self) -> Self | None:
        """The first item on this page; None when there is none."""
        return next(iter(self.on_page), None)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.state.members[name]
        except KeyError:
            known = ", ".join(self.state.members) or "none"
            raise AttributeError(f"{self.uri} has no member {name!r}; it has {known}") from None

    def __getitem__(self, name: str) -> Any:
        return self.state.members[name]

    def __contains__(self, name: object) -> bool:
        return name in self.state.members

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shown) and self.state == other.state

    def __hash__(self) -> int:
        return hash(self.state.uri)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.uri}>"
