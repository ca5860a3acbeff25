"""A resource as the client is to see it, before it has any shape: members, links, items, forms.

Views make one of these; a shape (:mod:`~hyperapi.hypermedia.plain`, …) is a pure function of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RELATIONS = {
    "users": "Where one registers; to whoever is signed in, oneself.",
    "tokens": "Where one signs in; to whoever is signed in, one's live sessions.",
    "user": "The signed-in user.",
    "lists": "One's task lists, page by page.",
    "list": "The list that a task is on; as a template, where a list of a chosen UUID is.",
    "tasks": "Tasks, page by page: of a list, or all of one's own.",
    "task": "As a template, where a task of a chosen UUID is.",
}
"""The relations that are ours and not IANA's. In headers they are the URIs of their pages."""


@dataclass(slots=True)
class Resource:
    """What a representation says.

    :param uri: the resource's own absolute URI.
    :param members: its data, by name, as JSON values.
    :param links: relation to absolute URI; None where the relation has no target just now.
    :param templates: relation to URI template (RFC 6570).
    :param items: of a collection, the resources on this page; None when it is no collection.
    :param items_name: what the items are called, as ``tasks``.
    """

    uri: str
    members: Mapping[str, Any]
    links: Mapping[str, str | None] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    items: Sequence["Resource"] | None = None
    items_name: str = ""
