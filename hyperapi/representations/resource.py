"""A resource as the client is to see it, before it has any shape: members, links, items, forms.

Views make one of these; a shape (:mod:`~hyperapi.representations.json`) is a pure function of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hyperapi.representations.form import Form

RELATIONS = {
    "users": "Where one registers; to whoever is signed in, oneself.",
    "tokens": "Where one signs in; to whoever is signed in, one's live sessions.",
    "user": "The signed-in user.",
    "lists": "One's task lists, page by page.",
    "list": "The list that a task is on; as a template, where a list of a chosen UUID is.",
    "tasks": "Tasks, page by page: of a list, or all of one's own.",
    "task": "As a template, where a task of a chosen UUID is.",
    "changes": "What exists in one's lists and tasks, in order of last change, then what changes.",
}
"""The relations that are ours and not IANA's. In headers they are the URIs of their pages."""

IANA_RELATIONS = {
    "self": "The resource itself.",
    "up": "Where this belongs: one step nearer to the root.",
    "collection": "The collection that the resource is in.",
    "item": "What the collection holds; in HAL it is embedded, whole.",
    "first": "The first page.",
    "prev": "The page before this one; the first page has none.",
    "next": "The page after this one; the last page has none. Of changes it is always there, also "
    "on an empty page, and leads to what changes from now on.",
    "last": "The last page.",
    "search": "As a template, the collection with all that it may be asked.",
    "service-desc": "What programs read about the service: its description in OpenAPI.",
    "service-doc": "What people read about the service: its documentation.",
}
"""Those that we use of IANA's, and what they mean here. In headers they go by their names."""

MEANINGS = {**RELATIONS, **IANA_RELATIONS}


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened: its members, and the resource as it is now, if it is there."""

    members: Mapping[str, Any]
    resource: "Resource | None"


def no_forms() -> Sequence[Form]:
    """What may be done where nothing may be done."""
    return ()


@dataclass(slots=True)
class Resource:
    """What a representation says.

    :param uri: the resource's own absolute URI; empty for what only says how a request went.
    :param members: its data, by name, as JSON values.
    :param links: relation to absolute URI; None where the relation has no target just now.
    :param templates: relation to URI template (RFC 6570).
    :param items: of a collection, the resources on this page; None when it is no collection.
    :param items_name: what the items are called, as ``tasks``.
    :param forms: computes what the asker may do here; only shapes that show it call this.
    :param version: of its state, the same in every shape; None where only the bytes tell.
    :param entries: of a feed, what happened to which resource.
    """

    uri: str
    members: Mapping[str, Any]
    links: Mapping[str, str | None] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    items: Sequence["Resource"] | None = None
    items_name: str = ""
    forms: Callable[[], Sequence[Form]] = no_forms
    version: int | str | None = None
    entries: Sequence["Entry"] | None = None
