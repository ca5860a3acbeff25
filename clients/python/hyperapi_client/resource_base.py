"""The base class of resources: everything that needs no request."""

from collections.abc import Mapping
from typing import Any, NoReturn, Self

from hyperapi_client.document import Link, State


class ResourceBase:
    """A resource as the server sent it.

    Members are attributes (``task.title``) and items (``task["title"]``). A resource is immutable:
    methods return a new one.

    :ivar state: its state, as plain values.
    """

    __slots__ = ("_client", "state")

    def __init__(self, client: Any, state: State) -> None:
        self._client = client
        self.state = state

    @property
    def uri(self) -> str:
        """The URI of the resource, which never changes."""
        return self.state.uri

    @property
    def members(self) -> Mapping[str, Any]:
        """Its data, as JSON values."""
        return self.state.members

    @property
    def links(self) -> Mapping[str, Link]:
        """Its links, by relation."""
        return self.state.links

    @property
    def on_page(self) -> tuple[Self, ...]:
        """The items of a collection that are on this page."""
        return tuple(type(self)(self._client, item) for item in self.state.items or ())

    @property
    def first(self) -> Self | None:
        """The first item on this page; None when there is none."""
        return next(iter(self.on_page), None)

    def _check_items(self) -> None:
        """:raises TypeError: when this is not a collection."""
        if self.state.items is None:
            raise TypeError(f"{self!r} is not a collection: it has no items")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ResourceBase.__slots__:  # protocols, before __init__
            raise AttributeError(name)
        try:
            return self.state.members[name]
        except KeyError:
            known = ", ".join(self.state.members) or "none"
            raise AttributeError(f"{self.uri} has no member {name!r}; it has {known}") from None

    def __getitem__(self, name: str) -> Any:
        if not isinstance(name, str):
            raise TypeError(
                "Members are named by text. The items of a collection are numbered in on_page."
            )
        return self.state.members[name]

    def __contains__(self, name: object) -> bool:
        if isinstance(name, ResourceBase):
            raise TypeError(
                "`in` looks for a member by its name. For items compare their uri: "
                "any(each.uri == item.uri for each in collection)."
            )
        return name in self.state.members

    __reversed__ = None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.state.members]

    def __eq__(self, other: object) -> bool:
        return self.state == other.state if isinstance(other, ResourceBase) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.state.uri)

    def __copy__(self) -> Self:
        return self  # it is immutable

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} belongs to a client and cannot be pickled. Pickle its state: "
            "client.resource(state) makes it a resource again."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.uri}>"


class Unpicklable:
    """The base class of objects with connections, locks and tokens, which cannot be copied or
    pickled."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} holds connections and tokens: it can be neither copied nor "
            "pickled. Make another one, with a keeper= that both share."
        )
