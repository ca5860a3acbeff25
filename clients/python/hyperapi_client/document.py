"""What a representation says, whichever JSON shape it has: HAL, HAL-FORMS, or plain.

A :class:`State` is that, with nothing of HTTP but the tag of its version. It does not change.
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
    """Where a relation leads.

    :param href: a URI, or a URI template.
    """

    href: str
    templated: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a resource.

    :param uri: its own; empty for a reply without content.
    :param members: its data, as JSON values.
    :param links: by relation.
    :param items: of a collection, those on this page; None when it is no collection.
    :param forms: what may be done, by name; None when the shape does not tell.
    :param etag: names this version of it (RFC 9110 §8.8.3); None when it is not known.
    """

    uri: str
    members: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    items: tuple["State", ...] | None = None
    forms: Mapping[str, Form] | None = None
    etag: str | None = None

    def __hash__(self) -> int:
        return hash(self.uri)


def read(document: Mapping[str, Any], uri: str = "", etag: str | None = None) -> State:
    """The state that a decoded representation describes.

    :param uri: what it is called where it does not tell itself.
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
    """A link's target, which may be written beginning from what it was found in."""
    target = str(href)
    return target if "://" in target else urljoin(base, target)


def _several(items: Any) -> list[Any]:
    """What is embedded: several things, or one alone (HAL leaves that open)."""
    return items if isinstance(items, list) else [items]


def _first(target: Any) -> Mapping[str, Any] | None:
    """A link object; the first of several, where a relation leads to more than one place."""
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
    """Is a member the items of the page that ``document`` is?"""
    if not isinstance(value, list):
        return False
    return all(isinstance(each, dict) and "uri" in each for each in value) and (
        bool(value) or "first_uri" in document
    )


def plain(state: State) -> dict[str, Any]:
    """A state as the default shape writes it: members, ``uri``, and ``NAME_uri`` for links."""
    document: dict[str, Any] = {**state.members, "uri": state.uri}
    for relation, link in state.links.items():
        name = relation.replace("-", "_") + (_TEMPLATE if link.templated else _NAME)
        document.setdefault(name, link.href)
    return document
