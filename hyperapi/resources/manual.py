"""The documentation for people: a front page, chapters, a reference, and a search over them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
from jinja2 import ChoiceLoader, FileSystemLoader
from markupsafe import Markup, escape

from hyperapi.http.about import about, site_of
from hyperapi.http.context import Context
from hyperapi.http.forms import declared_forms
from hyperapi.http.openapi import GUIDE
from hyperapi.http.problems import NotFound
from hyperapi.http.responses import Document
from hyperapi.http.routes import RouteTable
from hyperapi.representations import html
from hyperapi.representations.relations import IANA_RELATIONS
from hyperapi.resources.markdown import Chapter, chapter
from hyperapi.resources.users import REGISTER

Described = dict[str, Any]
"""The OpenAPI document of the service."""

_FOLDER = Path(__file__).parent / "docs"
_PACKAGED = Path(__file__).parents[1] / "docs"
_CHECKOUT = Path(__file__).parents[2] / "docs"

GUIDE_ROOT = "http://127.0.0.1:5000/api/v1/"
"""The root in the guide, in place of which readers see that of the service."""

CHAPTERS = {
    "guide": "Guide",
    "frontend": "Apps in the browser",
    "client": "Python client",
    "command": "Command line",
    "testing": "Testing",
    "http": "HTTP behaviour",
    "changes": "Feed of changes",
}
_FOR_EVERY_SERVICE = ("http",)
_REFERENCE = "reference"
_MOST_FOUND, _MOST_BASES, _AROUND = 30, 8, 120


@dataclass(frozen=True)
class Way:
    """A way on from the front page, for one kind of reader."""

    title: str
    text: str
    links: Sequence[tuple[str, str]]


_WAYS = (
    Way(
        "You write an app",
        "Follow the guide once, then take the typed client for the browser.",
        (
            ("guide", "The guide, step by step, in curl, Python and JavaScript"),
            ("frontend", "Apps in the browser"),
            ("changes", "Live updates: the feed of changes"),
            ("reference", "The reference"),
        ),
    ),
    Way(
        "You write scripts",
        "Make a token with the rights that the script needs, and use the command or the client.",
        (
            ("command", "The command hyper"),
            ("client", "The client for Python"),
            ("http", "What HTTP clients can rely on"),
        ),
    ),
    Way(
        "You test programs",
        "Start a server of your own that forgets everything, in one line.",
        (
            ("testing", "The sandbox"),
            ("try", "Try requests on this page"),
            ("reference", "The problems that you can get"),
        ),
    ),
)

_ONE_WAY = Way(
    "You write a program",
    "The operations, forms and problems of this service, with examples.",
    (
        ("reference", "The reference"),
        ("http", "What HTTP clients can rely on"),
        ("try", "Try requests"),
    ),
)
"""The way of a service without lists and tasks, which most chapters are about."""

_PAGES = html.PAGES.overlay(
    loader=ChoiceLoader([FileSystemLoader(_FOLDER), html.PAGES.loader or FileSystemLoader([])])
)
_PAGES.filters = {
    **html.PAGES.filters,
    "pretty": lambda value: (
        value
        if isinstance(value, str)
        else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    ),
}


def front_page(ctx: Context) -> Document:
    """The first page: what the service is, and ways on."""
    ways = _WAYS if about(ctx.settings).has_guide else (_ONE_WAY,)
    return _page(
        ctx,
        "front.html",
        ctx.settings.title,
        about=about(ctx.settings),
        ways=ways,
        register=REGISTER.title,
    )


def page(ctx: Context, name: str, described: Callable[[], Described]) -> Document:
    """A further page by its name.

    :raises NotFound: when there is none of this name.
    """
    if name == "search":
        return _results(ctx, described)
    if name == _REFERENCE:
        values = _reference(ctx, described())
        return _page(ctx, "reference.html", "Reference", here=name, **values)
    if name not in _chapters(ctx):
        raise NotFound
    found = _rendered(ctx, name)
    headings = [(each.level, each.id, each.title) for each in found.sections]
    text = Markup(found.html)  # noqa: S704 - our own text, in which HTML is escaped
    return _page(ctx, "manual.html", found.title, here=name, headings=headings, text=text)


def source(name: str) -> str:
    """The Markdown of a chapter, from a checkout or an installed package."""
    file = GUIDE if name == "guide" else f"{name}.md"
    folder = _PACKAGED if (_PACKAGED / file).exists() else _CHECKOUT
    return (folder / file).read_text(encoding="utf-8")


def _chapters(ctx: Context) -> dict[str, str]:
    """The titles of the chapters that are about this service, by name."""
    if about(ctx.settings).has_guide:
        return CHAPTERS
    return {name: CHAPTERS[name] for name in _FOR_EVERY_SERVICE}


def _page(ctx: Context, template: str, title: str, **values: Any) -> Document:
    site = site_of(ctx)
    shared = {
        "site": site,
        "title": title,
        "docs": ctx.uris.uri("docs"),
        "root": ctx.uris.uri("root"),
        "openapi": ctx.uris.uri("openapi"),
        "chapters": [*_chapters(ctx).items(), (_REFERENCE, "Reference"), ("try", "Try requests")],
        "here": "",
        "asked": "",
        "headings": (),
        "text": "",
    }
    content = _PAGES.get_template(template).render({**shared, **values})
    return Document(content.encode(), html.CONTENT_TYPE, html.headers(site, "'self'"))


# -- chapters


def _rendered(ctx: Context, name: str) -> Chapter:
    return _render(name, ctx.uris.uri("docs"), ctx.uris.uri("root"), tuple(_chapters(ctx)))


@lru_cache(maxsize=_MOST_BASES * len(CHAPTERS))
def _render(name: str, docs: str, root: str, chapters: tuple[str, ...]) -> Chapter:
    def target(link: str) -> str:
        path, _, fragment = link.partition("#")
        if not path or link.startswith(("http://", "https://")):
            return link
        to = path.removesuffix(".md")
        if to not in chapters:
            return ""
        return f"{docs}/{to}" + (f"#{fragment}" if fragment else "")

    return chapter(_source(name).replace(GUIDE_ROOT, root), target)


_source = cache(source)


# -- search


@dataclass(frozen=True)
class Found:
    """A section with all words of a search."""

    chapter: str
    chapter_title: str
    id: str
    title: str
    excerpt: Markup


def _results(ctx: Context, described: Callable[[], Described]) -> Document:
    fields = parse_qs(ctx.environ.get("QUERY_STRING", ""), errors="replace")
    asked = fields.get("q", [""])[0][:200].strip()
    words = asked.lower().split()
    ranked = sorted(_matches(ctx, words, described), key=lambda pair: pair[0]) if words else []
    found = [each for _, each in ranked[:_MOST_FOUND]]
    return _page(ctx, "search.html", "Search", asked=asked, found=found)


def _matches(
    ctx: Context, words: list[str], described: Callable[[], Described]
) -> Iterator[tuple[bool, Found]]:
    """Yield the sections that have all words. Those with all in their title come first."""
    for where, where_title, id_, title, text in _searched(ctx, described):
        whole = f"{title} {text}".lower()
        if all(word in whole for word in words):
            in_title = all(word in title.lower() for word in words)
            yield not in_title, Found(where, where_title, id_, title, _excerpt(text, words))


def _searched(
    ctx: Context, described: Callable[[], Described]
) -> Iterator[tuple[str, str, str, str, str]]:
    for name, label in _chapters(ctx).items():
        for each in _rendered(ctx, name).sections:
            yield name, label, each.id, each.title, each.text
    routes = ctx.state[RouteTable]
    here = (_REFERENCE, "Reference")
    for scope in routes.scopes:
        yield *here, "scopes", scope, scope.meaning
    for name, meaning in {**IANA_RELATIONS, **routes.relations}.items():
        yield *here, "relations", name, meaning
    for problem in routes.problems:
        yield *here, "problems", problem.name, f"{problem.title}. {problem.meaning()}"
    for group in _groups(described()):
        for operation in group["operations"]:
            told = f"{operation['method']} {operation['path']} {operation['text']}"
            yield *here, operation["name"], operation["summary"], told


def _excerpt(text: str, words: list[str]) -> Markup:
    """The text around the first word, with the words marked."""
    places = [at for word in words if (at := text.lower().find(word)) >= 0]
    start = max(min(places, default=0) - _AROUND, 0)
    part = text[start : start + 3 * _AROUND]
    marked = re.split(f"({'|'.join(map(re.escape, words))})", part, flags=re.IGNORECASE)
    pieces = (
        Markup("<mark>{}</mark>").format(piece) if at % 2 else escape(piece)
        for at, piece in enumerate(marked)
    )
    return Markup("").join(pieces)


# -- reference


def _reference(ctx: Context, described: Described) -> dict[str, Any]:
    routes = ctx.state[RouteTable]
    relation, problem = (
        ctx.uris.template(name, "name").partition("{name}")[0] for name in ("relation", "problem")
    )
    named = sorted({**IANA_RELATIONS, **routes.relations}.items())
    return {
        "scopes": routes.scopes,
        "relations": [(name, meaning, relation + name) for name, meaning in named],
        "problems": [(each, problem + each.name) for each in routes.problems],
        "operations": _groups(described),
        "forms": _forms(routes, described),
    }


def _forms(routes: RouteTable, described: Described) -> list[dict[str, Any]]:
    """The forms of the service, with an example where a reply in the examples has one."""
    examples = dict(_shown(described["paths"]))
    return [
        {
            "name": each.name,
            "title": each.title,
            "method": each.method,
            "path": each.route.path,
            "example": examples.get((each.name, each.title)),
        }
        for each in declared_forms(routes)
    ]


def _shown(part: Any) -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield the forms in examples by name and title."""
    if isinstance(part, dict):
        for name, form in part.get("_templates", {}).items():
            yield (name, form["title"]), form
    for each in part.values() if isinstance(part, dict) else part:
        if isinstance(each, dict | list):
            yield from _shown(each)


def _groups(described: Described) -> list[dict[str, Any]]:
    """The operations by resource, in the order of the OpenAPI document."""
    groups: dict[str, dict[str, Any]] = {
        tag["name"]: {"name": tag["name"], "meaning": tag["description"], "operations": []}
        for tag in described["tags"]
    }
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, dict) and "operationId" in operation:
                groups[operation["tags"][0]]["operations"].append(_told(path, method, operation))
    return [group for group in groups.values() if group["operations"]]


def _told(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    scopes = [name for each in operation.get("security", ()) for name in each.get("bearer", ())]
    open_to_all = not operation.get("security") or {} in operation["security"]
    return {
        "name": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "text": operation.get("description", ""),
        "scope": " or ".join(dict.fromkeys(scopes)),
        "access": "It takes no token." if open_to_all else "It takes any token.",
        "parameters": [each for each in operation.get("parameters", ()) if "name" in each],
        "examples": list(_examples(operation)),
    }


def _examples(operation: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the first example of the request and of the successful reply."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        for example in _of(content):
            yield f"Request, {media_type}", example
            break
        else:
            continue
        break
    for status, reply in operation["responses"].items():
        for media_type, content in reply.get("content", {}).items():
            if status.startswith("2") and media_type.endswith("json"):
                for example in _of(content):
                    yield f"Reply {status}, {media_type}", example
                    return


def _of(content: dict[str, Any]) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    yield from (each["value"] for each in content.get("examples", {}).values() if "value" in each)
