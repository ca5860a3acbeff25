"""What is written about the service: OpenAPI for programs, and for people a page to try it."""

from functools import cache
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import orjson
from flask import Flask, Response, current_app, request, url_for

from hyperapi.hypermedia import html
from hyperapi.hypermedia.kind import Kind, Members
from hyperapi.hypermedia.model import Resource
from hyperapi.hypermedia.negotiate import choose
from hyperapi.openapi import EXAMPLES_BASE, GUIDE, document, rebased
from hyperapi.web.conditional import seen_already
from hyperapi.web.forms import JSON
from hyperapi.web.problems import NotFound
from hyperapi.web.replies import Document, Reply, not_modified, readable, respond_with_document
from hyperapi.web.routing import OPEN, Place
from hyperapi.web.uris import base, uri

OPENAPI_JSON = "application/vnd.oai.openapi+json"

OPENAPI = Place("openapi", "/openapi.json", document=True, offers=(JSON, OPENAPI_JSON))
DOCS = Place("docs", "/docs", document=True)

_OURS = Path(__file__).parents[1] / "docs"
_RENDERER = files("flask_swagger_ui") / "dist"
_ASSETS: dict[str, tuple[Path | Traversable, str]] = {
    "page.js": (_OURS, "text/javascript; charset=utf-8"),
    "page.css": (_OURS, "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": (_RENDERER, "text/javascript; charset=utf-8"),
    "swagger-ui.css": (_RENDERER, "text/css; charset=utf-8"),
    "favicon-32x32.png": (_RENDERER, "image/png"),
}
_GUIDE_ROOT = "http://127.0.0.1:5000/api/v1/"
_CHECKOUT = Path(__file__).parents[2] / "docs"
_PAGE_HEADERS = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]


class DocsMembers(Members):
    """What the page is called."""

    title: str


DOCS.shows = Kind("Docs", DocsMembers, links=("service-desc",))


@OPENAPI.on("GET", scope=OPEN)
def get_openapi() -> Document:
    """The OpenAPI document of the service: this."""
    media_type = choose(request.environ.get("HTTP_ACCEPT"), OPENAPI.offers) or JSON
    scheme, host, prefix = base()
    written = rebased(_written(), f"{scheme}://{host}{prefix}")
    return Document(written.encode(), media_type)


@DOCS.on("GET", scope=OPEN)
def get_docs() -> Resource | Document:
    """A page to read about the service, to sign in, and to try requests."""
    if readable(request.environ.get("HTTP_ACCEPT")) != html.MEDIA_TYPE:
        links = {"service-desc": OPENAPI.uri()}
        return Resource(DOCS.uri(), {"title": "Read and try"}, links)
    assets = url_for("docs_asset", name="", _external=True).rstrip("/")
    page = _page().substitute(openapi=escape(OPENAPI.uri()), assets=escape(assets))
    return Document(page.encode(), "text/html; charset=utf-8", _PAGE_HEADERS)


def init_app(app: Flask) -> None:
    """Let ``app`` serve what the page is made of."""
    app.add_url_rule(f"{DOCS.path}/<path:name>", "docs_asset", _asset)


def _asset(name: str) -> Response:
    if name == GUIDE:
        text = _guide().replace(_GUIDE_ROOT, uri("root"))
        found = Document(text.encode(), "text/plain; charset=utf-8")
    elif name in _ASSETS:
        found = _read(name)
    else:
        raise NotFound
    response = respond_with_document(Reply(found), "")
    known = request.environ.get("HTTP_IF_NONE_MATCH")
    if known and seen_already(known, response.headers["ETag"]):
        return not_modified(list(response.headers))
    return response


@cache
def _read(name: str) -> Document:
    folder, media_type = _ASSETS[name]
    return Document((folder / name).read_bytes(), media_type)


@cache
def _guide() -> str:
    """The guide, wherever it is: in a checkout or a package."""
    folder = _OURS if (_OURS / GUIDE).exists() else _CHECKOUT
    return (folder / GUIDE).read_text()


@cache
def _page() -> Template:
    return Template((_OURS / "page.html").read_text())


def _written() -> str:
    """The document, with every URI as in the examples: writing it takes longer than replacing."""
    kept = current_app.extensions
    if "hyperapi.openapi" not in kept:
        places: list[Place] = kept["hyperapi.places"]
        kept["hyperapi.openapi"] = orjson.dumps(document(places, EXAMPLES_BASE)).decode()
    found: str = kept["hyperapi.openapi"]
    return found
