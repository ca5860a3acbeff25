"""References between resources, as members that hold URIs."""

from collections.abc import Sequence
from dataclasses import dataclass

from hyperapi.extension.conversions import Convert, DeclaredReference
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.http.context import Context
from hyperapi.storage.row_scope import find_keys


@dataclass(frozen=True)
class Reference(DeclaredReference):
    """The URI of another resource of the same user, stored as its id.

    ``on_delete`` says what happens to a resource when the other one is deleted. ``cascade`` deletes
    it too. ``clear`` sets the member to null. ``restrict`` refuses to delete the other one.

    :param type: the name of the other resource's type, such as ``list``.
    :param column: the column; the member's name without ``_uri`` when empty.
    :raises ValueError: for another value of ``on_delete``.
    """

    def writer(self, ctx: Context, values: Sequence[str]) -> Convert:
        """A function from URI to id. One statement finds all that these URIs name.

        It refuses a URI of another user's resource like one of a missing resource.
        """
        named = {value: ctx.uris.named_by(value, self.type) for value in set(values)}
        other = ctx.state[OwnedResources].named[self.type]
        keys = sorted({key for key in named.values() if key is not None})
        existing = find_keys(ctx.tx, other.model, ctx.row_scope, keys)

        def to_key(value: str) -> str:
            key = named[value]
            if key is None or key not in existing:
                raise ValueError(f"must be the URI of one of your {other.plural}")
            return key

        return to_key

    def reader(self, ctx: Context) -> Convert:
        """A function from id to URI."""
        return ctx.uris.uri_of(self.type)
