"""The content of a representation in any JSON shape: HAL, HAL-FORMS, or plain JSON.

A :class:`State` is immutable. It holds nothing of HTTP but the ETag.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from hyperapi_client.forms import Form

HAL = "application/hal+json"
HAL_FORMS = "application/prs.hal-forms+json"
JSON = "application/json"

_ENVELOPE = ("_links", "_embedded", "_templates")
_NAME, _TEMPLATE = "_uri", "_uri_template"


@dataclass(frozen=True, slots=True)
class Link:
    """The target of a relation.

    :param href: a URI, or a URI template.
    """

    href: str
    templated: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The state of a resource.

    :param uri: of the resource; empty for a reply without content.
    :param members: its data, as JSON values.
    :param links: by relation.
    :param items: the items on this page of a collection; None when it is not a collection.
    :param forms: by name; None when the representation has no forms.
    :param etag: of this version (RFC 9110 §8.8.3); None when it is not known.
    :param undo: the URI that undoes the change which this is the result of; None without any.
    """

    uri: str
    members: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    items: tuple["State", ...] | None = None
    forms: Mapping[str, Form] | None = None
    etag: str | None = None
    undo: str | None = field(default=None, compare=False)

    def __hash__(self) -> int:
        return hash(self.uri)


def read(document: Mapping[str, Any], uri: str = "", etag: str | None = None) -> State:
    """Read a decoded representation.

    :param uri: used when the representation does not tell its own.
    """
    if "_links" in document:
        return _from_hal(document, uri, etag)
    return _from_plain(document, uri, etag)


def _from_hal(document: Mapping[str, Any], uri: str, etag: str | None) -> State:
    links = {
        relation: Link(_absolute(link["href"], uri), bool(link.get("templated")))
        for relation, target in document["_links"].items()
        if (link := _first(target))
    }
    items = document.get("_embedded", {}).get("item")
    templates = document.get("_templates")
    own = links.pop("self", Link(uri)).href
    return State(
        own,
        {name: value for name, value in document.items() if name not in _ENVELOPE},
        links,
        None if items is None else tuple(read(item, uri) for item in _several(items)),
        None if templates is None else {
            name: Form.read(name, template, own) for name, template in templates.items()
        },
        etag,
    )  # fmt: skip


def _absolute(href: Any, base: str) -> str:
    """Resolve a link against the URI of its document."""
    target = str(href)
    return target if "://" in target else urljoin(base, target)


def _several(items: Any) -> list[Any]:
    """Return embedded items as a list. HAL allows a single object too."""
    return items if isinstance(items, list) else [items]


def _first(target: Any) -> Mapping[str, Any] | None:
    """Return the first link object of a relation; None when there is none."""
    link = target[0] if isinstance(target, list) and target else target
    return link if isinstance(link, dict) and "href" in link else None


def _from_plain(document: Mapping[str, Any], uri: str, etag: str | None) -> State:
    links = {}
    for name, value in document.items():
        if name.endswith((_NAME, _TEMPLATE)) and isinstance(value, str):
            relation = name.removesuffix("_template").removesuffix(_NAME).replace("_", "-")
            links[relation] = Link(value, name.endswith(_TEMPLATE))
    items = next((value for value in document.values() if _are_items(value, document)), None)
    return State(
        str(document.get("uri", uri)),
        {name: value for name, value in document.items() if name != "uri" and value is not items},
        links,
        None if items is None else tuple(read(item) for item in items),
        None,
        etag,
    )


def _are_items(value: Any, document: Mapping[str, Any]) -> bool:
    """Tell whether a member holds the items of the page ``document``."""
    if not isinstance(value, list):
        return False
    return all(isinstance(each, dict) and "uri" in each for each in value) and (
        bool(value) or "first_uri" in document
    )


def plain(state: State) -> dict[str, Any]:
    """Return a state in the default JSON shape: members, ``uri``, and ``NAME_uri`` for links."""
    document: dict[str, Any] = {**state.members, "uri": state.uri}
    for relation, link in state.links.items():
        name = relation.replace("-", "_") + (_TEMPLATE if link.templated else _NAME)
        document.setdefault(name, link.href)
    return document
