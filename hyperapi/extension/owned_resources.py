"""The owned resources of one application, and which of them refer to which."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hyperapi.extension.conversions import OnDelete
from hyperapi.extension.reading import ReadableResource


@dataclass(frozen=True)
class Referrer:
    """A type of resources that refer to others.

    :param column: the column that holds the id of the other.
    :param on_delete: what happens to them when the other is deleted.
    """

    resource: ReadableResource
    column: str
    on_delete: OnDelete


class OwnedResources:
    """The owned resources of one application.

    :ivar named: by the name of their type.
    :ivar referrers: by the name of the type that they refer to.
    :raises ValueError: when deletions go on in a circle.
    """

    def __init__(self, resources: Iterable[ReadableResource]) -> None:
        self.named = {each.name: each for each in resources}
        self.referrers: Mapping[str, list[Referrer]] = {name: [] for name in self.named}
        for each in self.named.values():
            for type, column, on_delete in each.references:
                if type in self.referrers:
                    self.referrers[type].append(Referrer(each, column, on_delete))
        for name in self.named:
            self.deleted_with(name)

    def deleted_with(self, name: str) -> list[str]:
        """The types of which rows go with a row of one type, itself included.

        A type stands before those that it refers to.

        :raises ValueError: when deletions go on in a circle.
        """
        found: list[str] = []
        self._add_deleted(name, found, ())
        return found

    def _add_deleted(self, name: str, found: list[str], path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path, name))
            raise ValueError(
                f"The deletions of {circle} go on in a circle. Declare one of the references with "
                'on_delete="restrict" or "clear".'
            )
        for each in self.referrers[name]:
            if each.on_delete == "cascade":
                self._add_deleted(each.resource.name, found, (*path, name))
        if name not in found:
            found.append(name)
