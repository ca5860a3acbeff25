"""The style of all texts: plain technical English, held by a list of phrases to avoid."""

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent
TEXTS = (".py", ".md", ".js", ".ts", ".html", ".yaml", ".conf", ".example", ".service", "Makefile")
OTHERS = ("tests/", "examples/spa/vendor/")
"""Folders that are not checked: tests, and a library that is not ours."""

STRINGS = (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
"""Types of tokens. Python 3.12 splits formatted strings into several."""

START = r"(?:^|[.!?:]\s+)"
PHRASES = {
    "whoever": r"\bwho(?:so)?ever\b",
    "a sentence that begins with What is": rf"{START}What (?:is|was|are|were) (?!.*\?)",
    "a sentence that begins with Who": rf"{START}Who(?:m|se)? (?!.*\?)",
    "a docstring that is a question": r"^(?:Is|Are|Has|Have|Does|Do|May|Must|Can|Was|Were) .*\?$",
    "asker": r"\baskers?\b",
    "the one who": r"\bthe ones? who\b",
    "kept reply": r"\bkept repl(?:y|ies)\b",
    "bury": r"\b(?:un)?bur(?:y|ies|ied|ial|ials)\b",
    "housekeeping": r"\bhouse-?keep\w*|\bkeeps? house\b|\bchores?\b",
    "news": r"\bnews\b",
    "within reach": r"\b(?:within|out of) reach\b",
    "thrown away": r"\bthr(?:ow|own|ew|ows) away\b",
    "in words": r"\bin words\b",
    "unless told": r"\bunless told\b",
}
"""Phrases to avoid, as regular expressions. They match within one paragraph of text."""

ALLOWED: dict[str, int] = {
    "clients/javascript/hyperapi.d.ts": 4,
    "clients/javascript/hyperapi.js": 5,
    "docs/frontend.md": 4,
    "examples/spa/app/app.js": 3,
    "examples/spa/app/live.js": 2,
    "examples/spa/app/tasks.js": 1,
    "examples/spa/app/taskview.js": 1,
    "examples/spa/hyperapi.js": 5,
}
"""Files that still have such phrases, and how many. Lower a number when you rewrite a file."""


def test_every_text_is_plain() -> None:
    found = {path: list(phrases(path)) for path in files()}
    excess = {path: texts for path, texts in found.items() if len(texts) > ALLOWED.get(path, 0)}
    assert excess == {}


def test_the_list_of_exceptions_only_names_files() -> None:
    assert set(ALLOWED) <= set(files())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Whoever asks gets it.", ["whoever"]),
        ("It is a key. What is kept stays.", ["a sentence that begins with What is"]),
        ("What is a link?", []),
        ("Who finds it has it.", ["a sentence that begins with Who"]),
        ("Is the list empty?", ["a docstring that is a question"]),
        ("Whether the list is empty.", []),
        ("The principal's rows.", []),
    ],
)
def test_a_phrase_to_avoid_is_found(text: str, found: list[str]) -> None:
    assert list(named(text)) == found


# -- finding texts


@cache
def files() -> tuple[str, ...]:
    """The paths of all texts in the repository."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=FOLDER, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return tuple(path for path in listed if path.endswith(TEXTS) and not path.startswith(OTHERS))


def phrases(path: str) -> Iterator[str]:
    """The paragraphs of a file with a phrase to avoid, each with the name of the phrase."""
    text = (FOLDER / path).read_text()
    parts = prose_of(text) if path.endswith(".py") else [text]
    for part in parts:
        for paragraph in re.split(r"\n\s*\n|\n\s*(?=[-*|:#])", part):
            line = " ".join(paragraph.split())
            yield from (f"{name}: {line[:120]}" for name in named(line))


def prose_of(source: str) -> Iterator[str]:
    """The comments and strings of a Python module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("#! ")
        elif token.type in STRINGS and " " in token.string:
            yield token.string.strip("rbfu\"'").strip()


def named(text: str) -> Iterator[str]:
    """The names of the phrases to avoid in a paragraph."""
    for name, pattern in PHRASES.items():
        if re.search(pattern, text, 0 if pattern.startswith((START, "^")) else re.IGNORECASE):
            yield name
