"""Link relations, and what they mean here. Each has a page that says so."""

from collections import ChainMap

RELATIONS: dict[str, str] = {}
"""Our own relations, as routes declare them. In headers they are the URIs of their pages."""

IANA_RELATIONS = {
    "self": "This resource.",
    "up": "The resource one level closer to the root.",
    "collection": "The collection that contains this resource.",
    "item": "A member of the collection. HAL embeds it in full.",
    "first": "The first page.",
    "prev": "The previous page. The first page has no such link.",
    "next": "The next page. The last page has no such link. In the changes feed it is always "
    "present, even on an empty page, and leads to the changes that come next.",
    "last": "The last page.",
    "search": "As a template: the collection with every filter and sort order that it supports.",
    "icon": "The logo of the service.",
    "service-desc": "The description of the API for programs, in OpenAPI.",
    "service-doc": "The documentation of the API for people.",
}
"""The relations of IANA's registry that we use. In headers they keep their names."""

MEANINGS = ChainMap(RELATIONS, IANA_RELATIONS)
"""What each relation means, by its name."""


def declare_relation(name: str, meaning: str) -> None:
    """Declare a relation of our own.

    :raises ValueError: when the name has another meaning already.
    """
    if MEANINGS.setdefault(name, meaning) != meaning:
        raise ValueError(
            f"The relation {name} has a meaning already: {MEANINGS[name]} Choose another name."
        )
