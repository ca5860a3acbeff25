"""Text is normalized and folded in one place, which refuses what would take long."""

import ast
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from hyperapi_client import text as of_clients

import hyperapi
from hyperapi.common.text import MOST_MARKS, folded, marks, normal

FOLDER = Path(hyperapi.__file__).parent
PROJECT = FOLDER.parent
COSTLY = {"normalize", "is_normalized", "casefold"}
MANY = "must not have more than 30 combining marks in a row"


def test_only_the_modules_of_text_normalize_and_fold() -> None:
    using = {
        str(path.relative_to(folder))
        for folder in (FOLDER, PROJECT / "clients" / "python")
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in COSTLY)
        or (isinstance(node, ast.alias) and node.name in COSTLY | {"unicodedata"})
    }
    assert using == {"common/text.py", "hyperapi_client/text.py"}


def test_only_one_function_of_the_app_normalizes() -> None:
    app, client = PROJECT / "examples" / "spa", PROJECT / "clients" / "javascript"
    if not app.is_dir():
        pytest.skip("the examples are not there: only the package is installed")
    sources = [
        path
        for path in (*app.rglob("*.js"), *client.glob("*.js"))
        if "vendor" not in path.parts and not path.is_symlink()
    ]
    found = [path.name for path in sources for _ in re.findall(r"\.normalize\(", path.read_text())]
    assert found == ["hyperapi.js"]


def test_all_is_known_that_normalization_moves() -> None:
    characters = (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    moved = {
        each
        for each in characters
        if unicodedata.category(each).startswith("M")
        or all(unicodedata.combining(part) for part in unicodedata.normalize("NFKD", each))
    }
    assert moved == marks()


@pytest.mark.parametrize("mark", ["\u0301", "\u0f73", "\u0489", "\u3099", "\U000e0100"])
@pytest.mark.parametrize("before", ["", "a", "日" * 7, "e\u0301 " * 40])
@pytest.mark.parametrize("behind", ["", "z", "ß" * 80])
def test_a_run_of_marks_has_a_longest_wherever_it_is(mark: str, before: str, behind: str) -> None:
    longest = before + "_" + mark * MOST_MARKS + "_" + behind
    for text in (longest, longest + mark):
        unicodedata.normalize("NFC", text)
        folded(text)
    with pytest.raises(ValueError, match=MANY):
        normal(before + "_" + mark * (MOST_MARKS + 1) + behind, 1000)
    with pytest.raises(ValueError, match=MANY):
        of_clients.normal(before + "_" + mark * (MOST_MARKS + 1) + behind)
    with pytest.raises(ValueError, match=MANY):
        folded(before + "_" + mark * (MOST_MARKS + 1) + behind)


def test_what_was_normalized_is_taken_again() -> None:
    for text in ("e\u0301" * 200, "\u0344" * (MOST_MARKS // 2), "ｶﾞ" * 20, "각" * 20):
        found = normal(text, 1000)
        assert normal(found, len(found)) == found == unicodedata.normalize("NFC", text)
        assert of_clients.normal(found) == found
        assert folded(found) == of_clients.folded(text)
    with pytest.raises(ValueError, match=MANY):
        normal("\u0344" * MOST_MARKS, 1000)  # each becomes two, which could not be sent back


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_lengths_are_those_of_the_normal_form(form: str) -> None:
    for character in ("\u1fa7", "ấ", "각", "\ufdfa", "\ufb2d", "a"):
        whole = unicodedata.normalize(form, character) * 10  # type: ignore[arg-type]
        spelt = unicodedata.normalize("NFD", character) * 10
        assert normal(spelt, len(whole), form) == whole  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=f"longer than {len(whole) - 1} characters"):
            normal(spelt, len(whole) - 1, form)  # type: ignore[arg-type]


def test_text_that_is_much_too_long_is_not_looked_at() -> None:
    with pytest.raises(ValueError, match="longer than 10 characters"):
        normal("\x00" * 41, 10)


def test_a_title_with_too_many_marks_is_like_no_other_to_clients() -> None:
    zalgo = "A" + "\u0301" * 100
    assert of_clients.folded(zalgo) == "a" + "\u0301" * 100
    assert of_clients.folded("ÀB") == of_clients.folded("A\u0300b") == "àb"
