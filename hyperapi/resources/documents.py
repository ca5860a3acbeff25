"""Documents about the service: OpenAPI for programs, and the pages of the documentation."""

from functools import cache, cached_property, lru_cache, partial
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import orjson

from hyperapi.http.about import About, about, site_of
from hyperapi.http.bodies import JSON
from hyperapi.http.context import Context
from hyperapi.http.etags import names_representation
from hyperapi.http.handler import RequestHandler
from hyperapi.http.openapi import EXAMPLES_BASE, GUIDE, document, rebased
from hyperapi.http.problems import NotFound
from hyperapi.http.responses import Document, Reply, not_modified, readable, respond_with_document
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import OPEN
from hyperapi.http.uris import Base
from hyperapi.http.wsgi_response import Response
from hyperapi.representations import html, page_script
from hyperapi.representations.negotiation import choose
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType
from hyperapi.resources import manual
from hyperapi.state import AppState

OPENAPI_JSON = "application/vnd.oai.openapi+json"

OPENAPI = Route(
    "openapi",
    "/openapi.json",
    document=True,
    offers=(JSON, OPENAPI_JSON),
    root_link="service-desc",
)
DOCS = Route("docs", "/docs", document=True, root_link="service-doc")

_OURS = Path(__file__).parent / "docs"
_RENDERER = files("flask_swagger_ui") / "dist"
_ASSETS: dict[str, tuple[Path | Traversable, str]] = {
    "try.js": (_OURS, "text/javascript; charset=utf-8"),
    "try.css": (_OURS, "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": (_RENDERER, "text/javascript; charset=utf-8"),
    "swagger-ui.css": (_RENDERER, "text/css; charset=utf-8"),
    "favicon-32x32.png": (_RENDERER, "image/png"),
}
_MOST_BASES = 8
_NO_SNIFFING = [("X-Content-Type-Options", "nosniff")]
_FOR_EVER = "public, max-age=31536000, immutable"
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
    """The title of the page."""

    title: str


DOCS.returns = DOCS_TYPE = ResourceType(
    "Docs", DocsMembers, links=("service-desc",), titled_by="title"
)


@OPENAPI.get(scope=OPEN)
def get_openapi(ctx: Context) -> Document:
    """The OpenAPI document of the service."""
    media_type = choose(ctx.environ.get("HTTP_ACCEPT"), OPENAPI.offers) or JSON
    return Document(_openapi(ctx), media_type)


@DOCS.get(scope=OPEN)
def get_docs(ctx: Context) -> Resource | Document:
    """The front page of the documentation, with its chapters, a reference and a search."""
    if readable(ctx.environ.get("HTTP_ACCEPT")) != html.MEDIA_TYPE:
        links = {"service-desc": OPENAPI.uri(ctx)}
        return Resource(DOCS_TYPE, DOCS.uri(ctx), {"title": "Documentation"}, links)
    return manual.front_page(ctx)


def init_app(handler: RequestHandler, state: AppState) -> None:
    """Serve the pages below the front page, and their files."""
    state.add(Description(state[RouteTable], about(state.settings)))
    handler.add(f"{DOCS.path}/<path:name>", "docs_asset", _asset, ["GET", "HEAD"])


def _asset(ctx: Context, name: str) -> Response:
    found = _found(ctx, name)
    response = respond_with_document(ctx, Reply(found), "")
    if name.startswith(f"script/{page_script.VERSION}/"):
        response.replace("Cache-Control", lambda _: _FOR_EVER)
    known = ctx.environ.get("HTTP_IF_NONE_MATCH")
    if known and names_representation(known, response.get("ETag") or ""):
        return not_modified(response.headers)
    return response


def _found(ctx: Context, name: str) -> Document:
    if name == GUIDE and about(ctx.settings).has_guide:
        text = manual.source("guide").replace(manual.GUIDE_ROOT, ctx.uris.uri("root"))
        return Document(text.encode(), "text/plain; charset=utf-8")
    if name == "try":
        return _try(ctx)
    if name in _ASSETS:
        return _read(name)
    if name.startswith("script/"):
        return _script(name)
    return manual.page(ctx, name, partial(_parsed, _openapi(ctx)))


def _try(ctx: Context) -> Document:
    """A page on which you sign in and try requests."""
    assets = DOCS.uri(ctx)
    site = site_of(ctx)
    page = _page().substitute(
        title=escape(site.title),
        icon=escape(site.logo or f"{assets}/favicon-32x32.png"),
        openapi=escape(OPENAPI.uri(ctx)),
        assets=escape(assets),
    )
    return Document(page.encode(), "text/html; charset=utf-8", _PAGE_HEADERS)


_parsed = lru_cache(maxsize=_MOST_BASES)(orjson.loads)


def _script(name: str) -> Document:
    """Return a file of the script of pages, at whatever version a page asks for.

    A node that runs another release serves its own files: they are the only ones it has.
    """
    content = page_script.FILES.get(name.rpartition("/")[2])
    if content is None:
        raise NotFound
    return Document(content, "text/javascript; charset=utf-8", _NO_SNIFFING)


@cache
def _read(name: str) -> Document:
    folder, media_type = _ASSETS[name]
    return Document((folder / name).read_bytes(), media_type)


@cache
def _page() -> Template:
    return Template((_OURS / "try.html").read_text())


class Description:
    """The OpenAPI document of an application, generated at its first use.

    :ivar under: the document under a base. Some are kept, because clients may choose the Host.
    """

    def __init__(self, routes: RouteTable, told: About) -> None:
        self._routes = routes
        self._told = told
        self.under = lru_cache(maxsize=_MOST_BASES)(self._under)

    @cached_property
    def _text(self) -> str:
        return orjson.dumps(document(self._routes, EXAMPLES_BASE, self._told)).decode()

    def _under(self, base: Base) -> bytes:
        """Return the document: replacing the base of the examples is faster than writing."""
        scheme, host, prefix = base
        return rebased(self._text, f"{scheme}://{host}{prefix}").encode()


def _openapi(ctx: Context) -> bytes:
    return ctx.state[Description].under(ctx.uris.base)
