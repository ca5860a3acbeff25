"""Chapters of the documentation: Markdown, as HTML and as sections for a search."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import escape

if TYPE_CHECKING:
    from markdown_it.token import Token

Target = Callable[[str], str]
"""From the target of a link to a URI; empty for a target that the service does not have."""

_NO_WORD = re.compile(r"[^\w\- ]")
_LANGUAGES = {
    "sh": "Shell",
    "python": "Python",
    "js": "JavaScript",
    "ts": "TypeScript",
    "json": "JSON",
    "text": "Output",
}


@dataclass(frozen=True)
class Section:
    """A heading and the text below it."""

    level: int
    id: str
    title: str
    text: str


@dataclass(frozen=True)
class Chapter:
    """A text as HTML, without its title."""

    title: str
    html: str
    sections: Sequence[Section]


def chapter(text: str, target: Target) -> Chapter:
    """Render Markdown (CommonMark with tables). HTML in it stays text.

    :param target: resolves the targets of links.
    """
    from markdown_it import MarkdownIt  # noqa: PLC0415 - no start of a command needs it

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    sections = list(_sections(tokens))
    for token in tokens:
        _resolve(token.children or (), target)
    _demote_empty_headers(tokens)
    for kind in ("fence", "code_block"):
        markdown.add_render_rule(kind, _code)
    title, *_ = sections
    html = markdown.renderer.render(tokens[3:], markdown.options, {})
    return Chapter(title.title, html, sections)


def _sections(tokens: "Sequence[Token]") -> Iterator[Section]:
    """Give each heading an id, as GitHub does, and yield the sections."""
    opened: list[tuple[int, str, str]] = []
    words: list[str] = []
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            if opened:
                yield Section(*opened.pop(), " ".join(words))
            words = []
            title = _plain(tokens[index + 1])
            name = _NO_WORD.sub("", title.lower()).replace(" ", "-")
            token.attrSet("id", name)
            opened.append((int(token.tag[1]), name, title))
        elif token.type in ("inline", "fence", "code_block"):
            words.append(_plain(token))
    yield Section(*opened.pop(), " ".join(words))


def _demote_empty_headers(tokens: "Sequence[Token]") -> None:
    """Make cells of a table's head without text ordinary cells: they are headers of nothing."""
    for opened, inside, closed in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opened.type == "th_open" and not inside.content:
            opened.tag = closed.tag = "td"


def _plain(token: "Token") -> str:
    if token.children is None:
        return token.content
    return "".join(" " if each.type == "softbreak" else each.content for each in token.children)


def _resolve(tokens: "Sequence[Token]", target: Target) -> None:
    """Replace the targets of links. A link that leads nowhere becomes text."""
    nowhere = False
    for token in tokens:
        if token.type == "link_open":
            found = target(str(token.attrGet("href")))
            nowhere = not found
            token.attrs = {"href": found} if found else {}
            token.tag = "a" if found else "span"
        elif token.type == "link_close":
            token.tag = "span" if nowhere else "a"
        elif token.type == "image":
            token.type, token.tag = "text", ""


def _code(_: Any, tokens: "Sequence[Token]", index: int, *__: Any) -> str:
    """A block of code with the name of its language, which the keyboard can scroll."""
    name = tokens[index].info.strip()
    language = _LANGUAGES.get(name, "")
    caption = f"<figcaption>{language}</figcaption>" if language else ""
    code = escape(tokens[index].content)
    return f'<figure>{caption}<pre tabindex="0"><code>{code}</code></pre></figure>\n'
