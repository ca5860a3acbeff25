"""A resource in no media type yet: its type, members, links, items and forms.

Views return one. A :class:`~hyperapi.representations.shape.Shape` turns it into a document.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from hyperapi.representations.form import NO_VALUES, Forms
from hyperapi.representations.resource_type import ResourceType


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a feed.

    :param members: what happened, by name, as JSON values.
    :param resource: the resource as it is now; None when it no longer exists.
    """

    members: Mapping[str, Any]
    resource: "Resource | None"

    def document(self, render: "Render") -> dict[str, Any]:
        """The entry as a JSON object, with its resource in full."""
        return {**self.members, "resource": self.resource and render(self.resource)}


Render = Callable[["Resource"], Any]
"""From a resource to a document, as a shape does it."""


_NO_FORMS = Forms((), "", NO_VALUES)


def no_forms() -> Forms:
    """The forms of a resource without forms."""
    return _NO_FORMS


NO_TEMPLATES: Mapping[str, str] = MappingProxyType({})
"""The templates of a resource without any."""


@dataclass(slots=True)
class Resource:
    """One resource, as one client may see it.

    :param type: the resource type, which names the members, links, items and entries.
    :param uri: the absolute URI of the resource; empty for the outcome of a request.
    :param members: its data, by name, as JSON values.
    :param links: relation to absolute URI; None where the relation has no target now.
    :param templates: relation to URI template (RFC 6570).
    :param items: the resources on this page of a collection; None when it is no collection.
    :param forms: computes what the principal may do; only shapes that show forms call it.
    :param version: the version of its state, in every shape; None where only the bytes show it.
    :param entries: the entries of a feed; None when it is no feed.
    """

    type: ResourceType
    uri: str
    members: Mapping[str, Any]
    links: Mapping[str, str | None] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    items: Sequence["Resource"] | None = None
    forms: Callable[[], Forms] = no_forms
    version: int | str | None = None
    entries: Sequence[Entry] | None = None

    def document(self, render: Render) -> dict[str, Any]:
        """The members as a new JSON object, which a shape completes.

        :param render: the shape, for the resources that entries hold.
        """
        if self.entries is None:
            return {**self.members}
        entries = [entry.document(render) for entry in self.entries]
        return {**self.members, self.type.entries_name: entries}
