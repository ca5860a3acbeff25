"""Finds everything that links lead to from the root, in every shape that links are in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Protocol
from urllib.parse import urldefrag

ROOT = "http://localhost/api/v1/"
JSON = "application/json"
HAL = "application/hal+json"
HAL_FORMS = "application/prs.hal-forms+json"
HTML = "text/html"

Document = dict[str, Any]


class Asks(Protocol):
    """Somebody who sends requests."""

    def ask(self, method: str, uri: str, **request: Any) -> Any:
        """Send a request."""


@dataclass
class Crawl:
    """What somebody finds who follows every link.

    :param documents: by URI, as HAL-FORMS.
    :param links: of each URI, in each shape: relation and target.
    :param closed: URIs that want another token, and the problem that says so.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    links: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)

    def forms(self) -> Iterator[tuple[str, str, Document]]:
        """Every form: of which resource, its name, and the form; embedded ones too, each once."""
        seen = []
        for document in self.resources():
            for name, form in document.get("_templates", {}).items():
                if (name, form) not in seen:
                    seen.append((name, form))
                    yield document["_links"]["self"]["href"], name, form

    def resources(self) -> Iterator[Document]:
        """Every document, and every one embedded in it."""
        for document in self.documents.values():
            yield from whole(document)

    def relations(self) -> set[str]:
        """The name of every relation that any shape uses."""
        return {relation for found in self.links.values() for relation, _ in found}


def whole(document: Document) -> Iterator[Document]:
    """A document and all that it embeds."""
    yield document
    for item in document.get("_embedded", {}).get("item", ()):
        yield from whole(item)


def crawl(person: Asks, start: str = ROOT) -> Crawl:
    """Follow every link of every shape."""
    found = Crawl()
    waiting = [start]
    while waiting:
        uri = waiting.pop()
        if uri in found.documents:
            continue
        found.documents[uri] = {}
        for shape, read in READERS.items():
            reply = person.ask("GET", uri, headers={"Accept": shape})
            if reply.status_code in (401, 403):
                found.closed[uri] = reply.json["type"].rpartition("/")[2]
                break
            assert reply.status_code == 200, (uri, shape, reply.text)
            found.links[uri, shape] = set(read(reply))
            waiting += [target for _, target in found.links[uri, shape]]
            if reply.content_type == HAL_FORMS:
                found.documents[uri] = reply.json or {}
    found.documents = {uri: document for uri, document in found.documents.items() if document}
    return found


def _of_hal(reply: Any) -> Iterator[tuple[str, str]]:
    if reply.content_type not in (HAL, HAL_FORMS):
        return  # a document, which has no other shapes
    for document in whole(reply.json):
        for relation, link in document["_links"].items():
            if not link.get("templated"):
                yield relation, link["href"]


def _of_plain(reply: Any) -> Iterator[tuple[str, str]]:
    for target, relation in re.findall(r'<([^>]*)>; rel="([^"]*)"', reply.headers.get("Link", "")):
        yield relation.rpartition("/")[2], target
        if relation.startswith("http"):
            yield "describedby", relation  # an extension relation is the URI of its page


def _of_html(reply: Any) -> Iterator[tuple[str, str]]:
    for tag in re.findall(r"<a [^>]*>", reply.text):
        attributes = dict(re.findall(r'([a-z]+)="([^"]*)"', tag))
        target, _ = urldefrag(unescape(attributes["href"]))
        if target and not target.startswith("https:"):  # a place on the page, or a site of others
            yield attributes.get("rel", ""), target


READERS = {HAL_FORMS: _of_hal, HAL: _of_hal, JSON: _of_plain, HTML: _of_html}
