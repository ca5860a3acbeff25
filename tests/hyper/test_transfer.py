"""Importing and exporting: all arrives once, whatever happens on the way."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hyper.failures import FILE, INTERRUPTED, INVALID, NOT_ALLOWED, NOT_FOUND, UNREACHABLE, USAGE
from hyperapi_client import Resource

from hyperapi.sandbox.pytest_plugin import Sandbox, sandbox
from tests.conftest import PASSWORD
from tests.hyper import lines
from tests.hyper.conftest import Hyper, Outcome

Happening = Callable[[Callable[[], Resource]], Resource]


@pytest.fixture
def many(home: Path) -> Path:
    """A file of 3,500 lines."""
    file = home / "todo.txt"
    file.write_text("".join(f"(C) Thing {number}\n" for number in range(3500)))
    return file


@pytest.fixture
def at_batch(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Happening], None]:
    """Let something happen when a batch is sent; given what sends it."""
    original = Resource.create_many

    def arrange(number: int, happening: Happening) -> None:
        sent = [0]

        def create_many(self: Resource, *batch: Any, **how: Any) -> Resource:
            sent[0] += 1
            if sent[0] == number:
                return happening(lambda: original(self, *batch, **how))
            return original(self, *batch, **how)

        monkeypatch.setattr(Resource, "create_many", create_many)

    return arrange


def titles(hyper: Hyper) -> list[str]:
    """What is there, in order."""
    return sorted(line[1] for line in hyper("ls", "--all").lines)


def interrupted(_: Callable[[], Resource]) -> Resource:
    """Ctrl-C before a batch is sent."""
    raise KeyboardInterrupt


def interrupted_late(send: Callable[[], Resource]) -> Resource:
    """Ctrl-C after a batch was sent, before its reply came."""
    send()
    raise KeyboardInterrupt


# -- there and back


def test_5000_lines_come_out_as_they_went_in(hyper: Hyper, home: Path) -> None:
    (home / "todo.txt").write_text("".join(f"{line}\n" for line in lines.some(5000)), newline="")
    assert hyper("import", "todo.txt", "--list", "Todo").out == (
        "Imported 5,000 tasks from todo.txt.\n"
    )
    assert "Exported 5,000 tasks" in hyper("export", "out.txt", "--list", "Todo").err
    before, after = (
        sorted((home / name).read_bytes().split(b"\n")) for name in ("todo.txt", "out.txt")
    )
    assert before == after


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_other_files_keep_lists_apart(hyper: Hyper, home: Path, suffix: str) -> None:
    hyper("lists", "add", "Work")
    hyper("add", "Report", "-l", "Work", "-d", "2030-01-31", "-t", "a, b", "-n", "long\nnote")
    hyper("add", "Milk, bread", "-l", "Work", "-p", "high")
    hyper("lists", "add", "Home")
    hyper("add", "Sleep", "-l", "Home")
    hyper("done", "sleep")
    file = f"tasks.{suffix}"
    assert hyper("export", file).status == 0
    before = hyper("ls", "-a", "--json").out
    for each in ("Work", "Home"):
        hyper("lists", "rm", each, "-y")
    assert json.loads(hyper("import", file, "--json").out) == {"imported": 3, "total": 3}
    kept = ("title", "description", "done", "due_at", "priority", "tags")

    def members(text: str) -> list[list[Any]]:
        return sorted([json.loads(line)[name] for name in kept] for line in text.splitlines())

    assert members(hyper("ls", "-a", "--json").out) == members(before)
    assert hyper("lists").lines == [["Home", "0", "1"], ["Work", "2", "0"]]


def test_standard_input_and_output_are_files_too(hyper: Hyper) -> None:
    assert hyper("import", "-", "-f", "todotxt", said="Milk\n").status == 0
    assert hyper("import", "-", said="Milk\n").status == USAGE
    exported = hyper("export", "-", "-f", "todotxt", "--open")
    assert (exported.out, exported.status) == ("Milk\n", 0)
    assert hyper("export", "-", "-f", "csv").out.splitlines()[0].startswith("title,description,")


def test_an_empty_file_imports_nothing(hyper: Hyper, home: Path) -> None:
    (home / "todo.txt").write_text("\n\n")
    said = hyper("import", "todo.txt")
    assert (said.status, said.err) == (0, "There are no tasks in todo.txt.\n")
    assert hyper("lists").out == ""


def test_batches_are_not_too_large_for_the_server(hyper: Hyper, home: Path) -> None:
    text = "ü" * 9000
    tasks = [json.dumps({"title": str(n), "description": text}) for n in range(150)]
    (home / "tasks.jsonl").write_text("\n".join(tasks))
    assert hyper("import", "tasks.jsonl", "-l", "Long").status == 0
    assert hyper("lists").lines == [["Long", "150", "0"]]


# -- once, and only once


@pytest.mark.parametrize("happening", [interrupted, interrupted_late])
def test_an_interrupted_import_goes_on_where_it_was(
    hyper: Hyper, many: Path, at_batch: Any, happening: Happening
) -> None:
    at_batch(3, happening)
    said = hyper("import", many, "-l", "Todo")
    assert said.status == INTERRUPTED
    assert "2,000 of 3,500 tasks are imported" in said.err
    assert "Run the same command again to go on from there: nothing will be there" in told(said)
    said = hyper("import", many, "-l", "Todo")
    assert said.status == 0
    assert "Continuing after 2,000 of 3,500 tasks." in said.err
    assert titles(hyper) == sorted(f"Thing {number}" for number in range(3500))


def test_what_was_imported_is_not_imported_again_unless_wanted(hyper: Hyper, many: Path) -> None:
    many.write_text("Milk\n")
    assert hyper("import", many).status == 0
    said = hyper("import", many)
    assert said.status == 0
    assert "was imported before (today" in said.err
    assert titles(hyper) == ["Milk"]
    assert hyper("import", many, "--again").status == 0
    assert titles(hyper) == ["Milk", "Milk"]


def test_even_after_a_day_nothing_is_there_twice(
    hyper: Hyper, hyperapi: Sandbox, many: Path, at_batch: Any, home: Path
) -> None:
    at_batch(3, interrupted_late)
    hyper("import", many, "-l", "Todo")
    hyperapi.clock.forward(hours=25)  # the server has forgotten the third batch's key
    (journal,) = (home / "config" / "hyperapi" / "imports").iterdir()
    kept = json.loads(journal.read_text())
    journal.write_text(json.dumps({**kept, "sending": kept["sending"].replace("20", "19", 1)}))
    assert hyper("import", many, "-l", "Todo").status == 0
    assert titles(hyper) == sorted(f"Thing {number}" for number in range(3500))


def test_a_token_revoked_midway(hyper: Hyper, hyperapi: Sandbox, many: Path, at_batch: Any) -> None:
    def revoked(send: Callable[[], Resource]) -> Resource:
        ann = hyperapi.client()
        ann.login("ann", PASSWORD)
        for each in ann.follow("tokens").items():
            if not each.current:
                each.submit("revoke")
        return send()

    at_batch(3, revoked)
    said = hyper("import", many, "-l", "Todo")
    assert said.status == NOT_ALLOWED
    assert said.err.splitlines() == [
        "Created the list 'Todo'.",
        "2,000 of 3,500 tasks are imported for sure, and perhaps some more. Run the same command "
        "again to go on from there: nothing will be there twice.",
        "hyper: The token was revoked. Sign in again to get a new token.",
        "       Sign in again: hyper login",
    ]
    hyper("login", "-u", "ann", "--password-stdin", said=PASSWORD)
    assert hyper("import", many, "-l", "Todo").status == 0
    assert titles(hyper) == sorted(f"Thing {number}" for number in range(3500))


def test_a_server_that_goes_away_midway(stranger: Hyper, many: Path, at_batch: Any) -> None:
    with sandbox() as server:
        stranger("register", server.root, "-u", "ann", "--password-stdin", said=PASSWORD)

        def gone(send: Callable[[], Resource]) -> Resource:
            assert server.process is not None
            server.process.terminate()
            server.process.wait()
            return send()

        at_batch(3, gone)
        said = stranger("import", many, "-l", "Todo")
    assert said.status == UNREACHABLE
    assert "2,000 of 3,500 tasks are imported for sure" in said.err
    assert "does not answer" in said.err
    assert "that the server is running." in said.err


# -- files that are no good


def test_a_malformed_line_4711(hyper: Hyper, home: Path) -> None:
    text = ["Thing\n"] * 5000
    content = "".join(text).encode().split(b"\n")
    content[4710] = b"caf\xe9"
    (home / "todo.txt").write_bytes(b"\n".join(content))
    said = hyper("import", "todo.txt", "-l", "Todo")
    assert said.status == INVALID
    assert said.err == (
        "hyper: todo.txt:4711: is not UTF-8 (byte 0xE9; perhaps it is Windows-1252): save the file "
        "as UTF-8, without changing anything else\n"
        "       Nothing was imported. Correct the file first.\n"
    )
    assert hyper("lists").out == ""


def test_values_that_the_server_does_not_take_are_found_before_anything_is_sent(
    hyper: Hyper, home: Path
) -> None:
    hyper("lists", "add", "Todo")
    rows: list[dict[str, Any]] = [{"title": f"Thing {n}"} for n in range(2000)]
    rows[1500] = {"title": "x" * 201, "priority": "urgent", "tags": ["a", "b\tc"]}
    (home / "tasks.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = hyper("import", "tasks.jsonl")
    assert said.status == INVALID
    assert "tasks.jsonl:1501: title must have at most 200 characters, and has 201" in said.err
    assert "tasks.jsonl:1501: priority must be none or low or medium or high" in said.err
    assert "tasks.jsonl:1501: tags must match" in said.err
    assert hyper("lists").lines == [["Todo", "0", "0"]]


def test_what_only_the_server_finds_is_named_by_its_line_too(hyper: Hyper, home: Path) -> None:
    hyper("lists", "add", "Todo")
    rows: list[dict[str, Any]] = [{"title": f"Thing {n}"} for n in range(1500)]
    rows[1200] = {"title": "many tags", "tags": [str(n) for n in range(30)]}
    (home / "tasks.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = hyper("import", "tasks.jsonl")
    assert said.status == INVALID
    assert "tasks.jsonl:1201: tags" in said.err
    assert "1,000 of 1,500 tasks are imported and no more. Run the same" in said.err
    assert said.err.endswith("\n       Correct the file first.\n")
    rows[1200]["tags"] = []
    (home / "tasks.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = hyper("import", "tasks.jsonl")
    assert (said.status, "Continuing after 1,000 of 1,500 tasks." in said.err) == (0, True)
    assert hyper("lists").lines == [["Todo", "1500", "0"]]
    assert "was imported before" in hyper("import", "tasks.jsonl").err
    assert hyper("import", "tasks.jsonl", "--again").status == 0
    assert hyper("lists").lines == [["Todo", "3000", "0"]]


def test_another_file_that_begins_alike_begins_anew(
    hyper: Hyper, many: Path, at_batch: Any, home: Path
) -> None:
    hyper("import", many, "-l", "Todo")
    other = home / "other.txt"
    other.write_text(many.read_text() + "one more\n")
    hyper("import", other, "-l", "Todo")  # the first one was whole: this is wanted
    assert hyper("lists").lines == [["Todo", "7001", "0"]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"title": "half \\ud83e"}', "title must be Unicode, and is not"),
        ('{"title": "nul \\u0000"}', "title must not contain NUL"),
        ('{"title": "x", "due_at": "9999-12-31T23:59:59-23:59"}', "due_at takes today"),
        ('{"title": "x", "list": "\\u0000"}', "list must not contain NUL"),
        (f'{{"title": "x", "list": "{"x" * 201}"}}', "list must have at most 200 characters"),
    ],
)
def test_what_nobody_can_take_is_found_first(
    hyper: Hyper, home: Path, line: str, said: str
) -> None:
    (home / "tasks.jsonl").write_text(
        '{"title": "x", "due_at": "2030-01-31", "list": "A"}\n' + line
    )
    refused = hyper("import", "tasks.jsonl")
    assert refused.status == INVALID
    assert f"hyper: tasks.jsonl:2: {said}" in refused.err
    assert refused.err.endswith("\n       Nothing was imported. Correct the file first.\n")
    assert hyper("ls").out == ""


def test_lists_of_the_same_title_are_found_before_anything_is_sent(
    hyper: Hyper, home: Path
) -> None:
    for title in ("Twice", "twice", "Once"):
        hyper("lists", "add", title)
    (home / "tasks.csv").write_text("title,list\nx,Once\ny,TWICE\n")
    said = hyper("import", "tasks.csv")
    assert (said.status, "There are 2 lists called 'TWICE'" in said.err) == (NOT_FOUND, True)
    assert hyper("ls").out == ""


def test_lists_whose_titles_differ_in_case_alone_stay_apart(hyper: Hyper, home: Path) -> None:
    for title in ("Work", "work"):
        hyper("lists", "add", title)
        hyper("add", f"on {title}", "-l", title)
    hyper("export", "tasks.csv")
    for title in ("Work", "work"):
        hyper("lists", "rm", title, "-y")
    assert hyper("import", "tasks.csv").status == 0
    assert sorted(hyper("lists").lines) == [["Work", "1", "0"], ["work", "1", "0"]]
    (home / "more.csv").write_text("title,list\nx,WORK\ny,Home\n")
    hyper("lists", "rm", "work", "-y")
    assert hyper("import", "more.csv").status == 0  # one spelling: the list that is there
    assert sorted(hyper("lists").lines) == [["Home", "1", "0"], ["Work", "2", "0"]]


def test_a_token_that_may_not_add_imports_nothing(
    hyper: Hyper, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("lists", "add", "Todo")
    monkeypatch.setenv("HYPERAPI_TOKEN", hyper("tokens", "create", "x", "-s", "tasks:read").out)
    (many.parent / "tasks.jsonl").write_text('{"title": "x", "list": "New"}')
    for arguments in ((many,), (many, "-l", "New"), ("tasks.jsonl",)):
        said = hyper("import", *arguments)
        assert said.status == NOT_ALLOWED, arguments
        assert len(said.err.splitlines()) <= 2


def test_a_file_that_is_not_there(hyper: Hyper, home: Path) -> None:
    said = hyper("import", "nowhere.txt")
    assert (said.status, said.err) == (FILE, "hyper: nowhere.txt: No such file or directory.\n")
    assert hyper("import", home, "-f", "csv").status == FILE
    said = hyper("export", "nowhere/tasks.csv")
    assert said.status == FILE
    assert "No such file or directory. The file does not exist" in told(said)


def told(said: Outcome) -> str:
    """What was said, on one line."""
    return " ".join(said.err.split())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_device(hyper: Hyper) -> None:
    hyper("add", "Milk")
    said = hyper("export", "/dev/full", "-f", "csv")
    assert said.status == FILE
    assert "/dev/full cannot be written: No space left on device." in said.err


def test_a_full_disk_leaves_the_old_file(
    hyper: Hyper, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("add", "Milk")
    file = home / "tasks.csv"
    file.write_text("precious")
    file.chmod(0o640)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        said = hyper("export", file)
    assert said.status == FILE
    assert f"{file} cannot be written: No space left on device. The file is unchanged" in told(said)
    assert file.read_text() == "precious"
    assert [each.name for each in home.iterdir() if each.name != "config"] == ["tasks.csv"]
    assert hyper("export", file).status == 0
    assert "Milk" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o640


def test_an_export_that_fails_midway_leaves_the_old_file(
    hyper: Hyper, hyperapi: Sandbox, many: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("import", many, "-l", "Todo")
    (home / "out.txt").write_text("precious")
    items = Resource.items

    def revoked(self: Resource) -> Any:
        for number, each in enumerate(items(self)):
            if number == 150 and self.uri.partition("?")[0].endswith("tasks"):
                hyperapi.restore(hyperapi.snapshot())
                hyperapi.clock.forward(days=60)
            yield each

    monkeypatch.setattr(Resource, "items", revoked)
    said = hyper("export", "out.txt")
    assert said.status == NOT_ALLOWED
    assert (home / "out.txt").read_text() == "precious"


# -- as a process


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        arguments, capture_output=True, text=True, check=False, timeout=60, **options
    )


def test_a_pipe_that_is_closed_early_is_no_failure(hyper: Hyper, many: Path) -> None:
    hyper("import", many, "-l", "Todo")
    script = f"{sys.executable} -m hyper ls --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = process("bash", "-c", script)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


@pytest.mark.parametrize("suffix", ["txt", "csv", "jsonl"])
def test_an_export_for_which_there_is_no_room(
    hyper: Hyper, many: Path, home: Path, suffix: str
) -> None:
    hyper("import", many, "-l", "Todo")
    file = home / f"out.{suffix}"
    script = f"ulimit -f 16; exec {sys.executable} -m hyper export {file}"
    for old in (None, "precious"):
        if old:
            file.write_text(old)
        done = process("sh", "-c", script)
        assert done.returncode == FILE
        assert f"{file} cannot be written: File too large." in " ".join(done.stderr.split())
        assert ("file is unchanged" if old else "file does not exist") in done.stderr
        assert "Free some space, or use another folder." in done.stderr
        assert [each.name for each in home.glob("*out*")] == [file.name] * bool(old)
    assert file.read_text() == "precious"


def test_what_is_not_installed_is_named() -> None:
    for name in ("rich", "httpx", "click"):
        script = f"import sys; sys.modules[{name!r}] = None; from hyper import main; main()"
        done = process(sys.executable, "-c", script)
        assert done.returncode == 1
        assert done.stderr == (
            f"hyper needs {name}. Install it from the folder of a clone: "
            "pip install './clients/python[cli]'\n"
        ), done.stderr
