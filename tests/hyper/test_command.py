"""What people do with ``hyper``, told as they would."""

import json
import re
import stat
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from hyper.failures import (
    CONFLICT,
    FAILED,
    FILE,
    INVALID,
    MEANINGS,
    NOT_ALLOWED,
    NOT_FOUND,
    UNREACHABLE,
    USAGE,
)
from hyper.group import SECTIONS, complete_list
from hyper.group import hyper as root

from hyperapi.sandbox.pytest_plugin import MakeUser, Sandbox
from tests.conftest import PASSWORD
from tests.hyper.conftest import Hyper

_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def told(text: str) -> str:
    """What a person reads, without colours and superfluous space."""
    return "\n".join(" ".join(line.split()) for line in _STYLE.sub("", text).splitlines())


# -- signing in and out


def test_somebody_registers_signs_out_and_in_again(
    stranger: Hyper, hyperapi: Sandbox, home: Path
) -> None:
    assert stranger("ls").status == NOT_ALLOWED
    said = stranger("register", hyperapi.root, "-u", "Ann", "--password-stdin", said=PASSWORD)
    assert (said.status, said.out) == (0, f"Signed in as ann at {hyperapi.root}.\n")
    assert stranger("whoami").out == f"ann at {hyperapi.root}\n"
    assert stranger("logout").out == "Signed out.\n"
    assert stranger("ls").err == (
        "hyper: You are not signed in.\n       Sign in: hyper login URL (or set HYPERAPI_URL)\n"
    )
    assert stranger("logout").status == NOT_ALLOWED
    origin = hyperapi.root.removesuffix("/api/v1/")
    assert stranger("login", origin, "-u", "ann", "--password-stdin", said=PASSWORD).status == 0
    assert stranger("login", "-u", "ann", "--password-stdin", said=PASSWORD).status == 0


def test_tokens_are_kept_where_nobody_else_reads_them(hyper: Hyper, home: Path) -> None:
    file = home / "config" / "hyperapi" / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert json.loads(file.read_text())["username"] == "ann"


def test_a_wrong_password_is_said_to_be_wrong(stranger: Hyper, hyperapi: Sandbox) -> None:
    hyperapi.user("ann", PASSWORD)
    said = stranger("login", hyperapi.root, "-u", "ann", "--password-stdin", said="wrong one")
    assert said.status == NOT_ALLOWED
    assert "The username or the password is wrong." in said.err
    said = stranger("register", hyperapi.root, "-u", "ann", "--password-stdin", said=PASSWORD)
    assert (said.status, "The name is taken. Choose another name." in said.err) == (CONFLICT, True)
    said = stranger("register", hyperapi.root, "-u", "!", "--password-stdin", said="short")
    assert said.status == INVALID
    assert "username must have at least 3 characters" in said.err
    assert "password must have at least 8 characters" in said.err


def test_the_environment_wins(
    hyper: Hyper, hyperapi: Sandbox, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("add", "Ann's")
    bob = make_user("bob")
    bob.follow("lists").submit("create", title="Work")
    assert bob.tokens is not None
    monkeypatch.setenv("HYPERAPI_TOKEN", bob.tokens.access)
    monkeypatch.setenv("HYPERAPI_URL", hyperapi.root)
    assert hyper("lists").lines == [["Work", "0", "0"]]
    assert hyper("whoami", "--json").status == 0
    said = hyper("login", hyperapi.root, "-u", "ann", "--password-stdin", said=PASSWORD)
    assert "HYPERAPI_TOKEN is set and is used instead" in said.err
    monkeypatch.delenv("HYPERAPI_TOKEN")
    assert hyper("lists").lines == [["Inbox", "1", "0"]]
    monkeypatch.setenv("HYPERAPI_URL", hyperapi.root.replace("127.0.0.1", "localhost"))
    assert hyper("lists").status == NOT_ALLOWED  # tokens go to their own server alone


def test_commands_long_after_sign_in_refresh_by_themselves(
    hyper: Hyper, hyperapi: Sandbox, home: Path
) -> None:
    file = home / "config" / "hyperapi" / "credentials.json"
    before = file.read_text()
    for _ in range(3):
        hyperapi.clock.forward(hours=2)
        assert hyper("ls").status == 0
    assert file.read_text() != before
    assert json.loads(file.read_text())["username"] == "ann"
    hyperapi.clock.forward(days=40)
    said = hyper("ls")
    assert (said.status, said.err.splitlines()[-1].strip()) == (
        NOT_ALLOWED,
        "Sign in again: hyper login",
    )
    assert hyper("logout").out == "Signed out.\n"


# -- tasks


def test_a_day_with_tasks(hyper: Hyper) -> None:
    assert hyper("add", "Buy", "milk", "--due", "tomorrow", "--tag", "shop").out == (
        "Added 'Buy milk' to Inbox, due tomorrow.\n"
    )
    hyper("lists", "add", "Work")
    hyper("add", "Write report", "--list", "work", "-p", "high", "-d", "today 23:58", "-n", "Long")
    hyper("add", "Sleep", "-l", "Inbox")
    assert [line[1] for line in hyper("ls").lines] == ["Write report", "Buy milk", "Sleep"]
    assert [line[1] for line in hyper("ls", "--list", "Work").lines] == ["Write report"]
    assert [line[1] for line in hyper("ls", "-t", "shop").lines] == ["Buy milk"]
    assert [line[1] for line in hyper("ls", "-q", "LONG").lines] == ["Write report"]
    assert [line[1] for line in hyper("ls", "-p", "high", "-n", "5").lines] == ["Write report"]
    assert hyper("done", "buy milk", "sleep").out == "'Buy milk' is done.\n'Sleep' is done.\n"
    assert hyper("done", "sleep").out == "'Sleep' was done already.\n"
    assert hyper("done", "sleep", "--undo").out == "'Sleep' is open again.\n"
    assert [line[1] for line in hyper("ls", "--done").lines] == ["Buy milk"]
    assert len(hyper("ls", "--all").lines) == 3
    assert hyper("mv", "write report", "sleep", "Work", "-y").status == 0
    assert hyper("lists").lines == [["Inbox", "0", "1"], ["Work", "2", "0"]]
    assert hyper("rm", "--yes", "report").out == "Deleted 'Write report'.\n"
    assert hyper("rm", "sleep").status == USAGE


@pytest.mark.parametrize(
    ("due", "found"),
    [
        ("today", ["today"]),
        ("tomorrow", ["tomorrow"]),
        ("overdue", ["yesterday"]),
        ("week", ["yesterday", "today", "tomorrow"]),
        ("any", ["yesterday", "today", "tomorrow", "in 2 weeks"]),
        ("none", ["none"]),
    ],
)
def test_tasks_by_their_day(hyper: Hyper, due: str, found: list[str]) -> None:
    for when in ("yesterday", "today", "tomorrow", "in 2 weeks", "none"):
        hyper("add", when, "--due", when)
    assert [line[1] for line in hyper("ls", "--due", due).lines] == found


def test_what_is_no_day_is_explained(hyper: Hyper) -> None:
    said = hyper("ls", "--due", "someday")
    assert (said.status, "--due takes today, tomorrow" in said.err) == (INVALID, True)
    said = hyper("add", "x", "--due", "someday")
    assert (said.status, "'someday' is none of these" in said.err) == (INVALID, True)


def test_errors_name_the_option_and_what_it_takes(hyper: Hyper) -> None:
    hyper("lists", "add", "Work")
    said = hyper("add", "x" * 201, "--tag", "t" * 41)
    assert said.status == INVALID
    assert said.err == (
        "hyper: title must have at most 200 characters, and has 201\n"
        "       --tag must have at most 40 characters, and has 41\n"
    )
    assert hyper("add", "x", "-p", "urgent").status == USAGE
    assert hyper("ls", "-s", "colour").err.startswith("hyper: sort takes ")


def test_names_that_could_mean_several_things(hyper: Hyper) -> None:
    for title in ("Buy milk", "Buy oat milk", "milk"):
        hyper("add", title)
    assert hyper("done", "milk").status == 0  # a whole title wins
    said = hyper("done", "buy")
    assert said.status == NOT_FOUND
    assert "2 tasks could be meant by 'buy'." in said.err
    assert hyper("done", "nothing").err == (
        "hyper: There is no task 'nothing'.\n       See: hyper ls\n"
    )
    assert hyper("done", "7").err.startswith("hyper: No task was shown with the number 7.\n")
    assert hyper("add", "x", "-l", "Nowhere").err.startswith(
        "hyper: There is no list 'Nowhere'. Lists: 'Inbox'.\n"
    )
    hyper("lists", "add", "Twice")
    hyper("lists", "add", "Twice")
    assert hyper("add", "x", "-l", "twice").status == NOT_FOUND
    hyper("lists", "rename", "Inbox", "Other")
    said = hyper("add", "x")
    assert (said.status, "Several lists are possible." in said.err) == (USAGE, True)


def open_titles(hyper: Hyper) -> list[str]:
    """The titles of open tasks, in order."""
    return sorted(line[1] for line in hyper("ls").lines)


def test_tasks_move_in_their_list(hyper: Hyper) -> None:
    for title in ("Milk", "Bread", "Eggs", "Tea"):
        hyper("add", title)

    def order() -> list[str]:
        return [line[1] for line in hyper("ls", "-l", "Inbox", "--sort", "position").lines]

    assert order() == ["Milk", "Bread", "Eggs", "Tea"]
    assert hyper("mv", "tea", "--first").out == "Moved 'Tea' to the front.\n"
    assert order() == ["Tea", "Milk", "Bread", "Eggs"]
    assert hyper("mv", "milk", "--after", "bread").out == "Moved 'Milk' behind 'Bread'.\n"
    assert order() == ["Tea", "Bread", "Milk", "Eggs"]
    milk, tea = (json.loads(hyper("show", each, "--json").out)["uri"] for each in ("milk", "tea"))
    assert hyper("mv", milk, tea, "--after", "eggs").status == 0
    assert order() == ["Bread", "Eggs", "Milk", "Tea"]
    for wrong in (["milk"], ["milk", "--first", "--after", "tea"]):
        assert hyper("mv", *wrong).status == USAGE
    assert hyper("mv", "milk", "--after", "nothing").status == NOT_FOUND
    hyper("lists", "add", "Work")
    hyper("add", "Report", "-l", "Work")
    assert hyper("mv", "milk", "--after", "report").status == INVALID
    assert order() == ["Bread", "Eggs", "Milk", "Tea"]


@pytest.mark.parametrize("command", ["done", "rm --yes", "show", "edit --priority high", "mv"])
def test_words_are_one_title_before_they_are_several(hyper: Hyper, command: str) -> None:
    name, *options = command.split()
    last = ["Inbox"] if name == "mv" else []
    for title in ("Buy stamps", "Milk the cow"):
        hyper("add", title)
    before = hyper("ls", "--json").out
    said = hyper(name, "Buy", "milk", *last, *options)
    assert said.status == NOT_FOUND
    assert said.err.startswith("hyper: There is no task 'Buy milk'.\n       To name several")
    assert hyper("ls", "--json").out == before
    hyper("add", "Buy milk")
    assert hyper(name, "Buy", "milk", *last, *options).status == 0
    assert open_titles(hyper)[-2:] == ["Buy stamps", "Milk the cow"] or name not in ("done", "rm")


def test_several_tasks_take_numbers_uris_or_quotes(hyper: Hyper, terminal: None) -> None:
    for title in ("Buy stamps", "Milk the cow", "Sleep", "Read a book"):
        hyper("add", title)
    hyper("ls")
    uri = json.loads(hyper("ls", "--json", "-q", "sleep").out)["uri"]
    assert hyper("done", "1", uri, "1").status == 0
    assert open_titles_told(hyper) == {"Milk the cow", "Read a book"}
    assert hyper("done", "Milk the cow", "Read a book").status == 0
    assert told(hyper("ls").out) == "Nothing to do here."


def open_titles_told(hyper: Hyper) -> set[str]:
    """The titles of open tasks, on a terminal."""
    return {json.loads(line)["title"] for line in hyper("ls", "--json").out.splitlines()}


@pytest.mark.parametrize("command", [["done"], ["done", "--undo"], ["mv"], ["rm"]])
def test_several_guesses_are_named_and_asked_about(hyper: Hyper, command: list[str]) -> None:
    hyper("lists", "add", "Work")
    for title in ("Buy oat milk", "Call my mother"):
        hyper("add", title, "-l", "Work")
    last = ["Work"] if command == ["mv"] else []
    if "--undo" in command:
        hyper("done", "Buy oat milk", "Call my mother")
    before = hyper("ls", "--all", "--json").out
    said = hyper(*command, "oat milk", "my mother", *last)
    assert said.status == USAGE
    assert "'Buy oat milk', 'Call my mother'? Cannot ask: this is not a terminal." in said.err
    assert "Add --yes to confirm." in said.err
    assert hyper("ls", "--all", "--json").out == before
    said = hyper(*command, "oat milk", "my mother", *last, "--yes")
    assert (said.status, "'Buy oat milk', 'Call my mother'." in said.err) == (0, True)


def test_one_ambiguous_name_stops_a_command_before_it_changes_anything(hyper: Hyper) -> None:
    for title in ("Call my mother", "Buy oat milk", "Buy soy milk"):
        hyper("add", title)
    for command in (["done"], ["rm", "--yes"], ["mv", "--yes"]):
        last = ["Inbox"] if command[0] == "mv" else []
        said = hyper(*command, "Call my mother", "Buy", *last)
        assert said.status == NOT_FOUND
        assert "  Buy oat milk\n" in said.err
        assert "  Buy soy milk\n" in said.err
        assert "Use more of the title, or a URI." in said.err


def test_a_description_names_no_task(hyper: Hyper) -> None:
    hyper("add", "Bake", "-n", "with milk")
    assert hyper("rm", "milk", "-y").status == NOT_FOUND
    hyper("add", "Buy MILK")
    assert hyper("rm", "milk", "-y").out == "Deleted 'Buy MILK'.\n"


def test_rm_does_not_choose_between_an_open_task_and_a_done_one(hyper: Hyper) -> None:
    hyper("add", "Milk")
    hyper("done", "Milk")
    hyper("add", "Milk")
    said = hyper("rm", "milk", "-y")
    assert (said.status, "2 tasks could be meant" in said.err) == (NOT_FOUND, True)
    assert hyper("edit", "milk", "-p", "low").status == 0  # this prefers the open one


def test_a_number_that_is_a_title_too_is_refused(hyper: Hyper, terminal: None) -> None:
    hyper("add", "42")
    hyper("add", "Milk", "-d", "today")
    assert hyper("done", "42").status == 0  # no table had that many rows
    hyper("add", "1")
    hyper("ls")
    said = hyper("done", "1")
    assert (said.status, "2 tasks could be meant by '1'." in said.err) == (NOT_FOUND, True)
    hyper("add", "Buy 7 eggs")
    assert hyper("done", "7").status == NOT_FOUND  # a number is no part of a title


def test_numbers_are_those_of_the_same_terminal(
    hyper: Hyper, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("lists", "add", "Work")
    hyper("lists", "add", "Home")
    hyper("add", "Report", "-l", "Work")
    hyper("add", "Dishes", "-l", "Home")
    hyper("ls", "-l", "Work")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("hyper.numbering._terminal", lambda: -1)
        hyper("ls", "-l", "Home")
    assert told(hyper("done", "1").out) == "'Report' is done."
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("hyper.numbering._terminal", lambda: -2)
        assert told(hyper("done", "1").out) == "'Dishes' is done."  # the last table of all


def test_a_number_whose_task_is_gone_is_said_to_be(hyper: Hyper, terminal: None) -> None:
    hyper("add", "Milk")
    hyper("add", "Bread")
    hyper("ls")
    assert hyper("rm", "1", "-y").status == 0
    said = hyper("done", "1")
    assert said.status == NOT_FOUND
    assert "The task that had the number 1 does not exist." in told(said.err)


def test_a_list_is_no_task(hyper: Hyper) -> None:
    hyper("add", "Milk")
    uri = json.loads(hyper("lists", "--json").out)["uri"]
    said = hyper("rm", uri, "--yes")
    assert (said.status, "is not a task" in said.err) == (NOT_FOUND, True)
    assert hyper("lists").lines == [["Inbox", "1", "0"]]


def test_tokens_are_ended_by_the_number_that_was_shown(hyper: Hyper, terminal: None) -> None:
    assert hyper("tokens", "revoke", "2", "-y").status == NOT_FOUND  # nothing was shown yet
    for label in ("one", "two", "three"):
        hyper("tokens", "create", label)
    hyper("tokens")
    assert told(hyper("tokens", "revoke", "2", "-y").out) == "Ended 'one'."
    assert told(hyper("tokens", "revoke", "3", "-y").out) == "Ended 'two'."
    hyper("tokens", "create", "4")
    said = hyper("tokens", "revoke", "4", "-y")
    assert (said.status, "2 tokens could be meant by '4'" in told(said.err)) == (NOT_FOUND, True)
    assert hyper("tokens", "revoke", "three", "--others", "-y").status == USAGE


def test_what_is_ticked_off_is_an_open_task(hyper: Hyper) -> None:
    hyper("add", "Milk")
    hyper("done", "milk")
    hyper("add", "Buy milk")
    assert hyper("done", "milk").out == "'Buy milk' is done.\n"
    assert hyper("done", "milk").out == "'Milk' was done already.\n"
    assert hyper("done", "buy milk", "--undo").out == "'Buy milk' is open again.\n"
    assert hyper("done", "--undo", "milk").out == "'Milk' is open again.\n"


def test_uris_name_things_too(hyper: Hyper) -> None:
    hyper("add", "Milk")
    task = json.loads(hyper("ls", "--json").out)
    assert json.loads(hyper("show", "--json", task["uri"]).out) == task
    assert hyper("mv", task["uri"], task["list_uri"]).status == 0


def test_changing_a_task(hyper: Hyper) -> None:
    hyper("add", "Milk", "-t", "shop", "-n", "note")
    hyper("edit", "milk", "--title", "Oat milk", "--tag", "cold", "--untag", "shop", "-d", "none")
    task = json.loads(hyper("ls", "--json").out)
    assert (task["title"], task["tags"], task["description"]) == ("Oat milk", ["cold"], "note")


def edited(home: Path, monkeypatch: pytest.MonkeyPatch, *changes: tuple[str, str]) -> None:
    """Let the editor replace some text."""
    script = home / "editor"
    replaced = "".join(f"text = text.replace({a!r}, {b!r})\n" for a, b in changes)
    script.write_text(
        "#!/usr/bin/env python3\nimport sys\nfile = sys.argv[-1]\ntext = open(file).read()\n"
        f"{replaced}open(file, 'w').write(text)\nimport os\n"
        "os.utime(file, (4000000000, 4000000000))\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))


def test_editing_in_an_editor(hyper: Hyper, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hyper("lists", "add", "Work")
    hyper("add", "Milk", "-l", "Work", "-d", "2030-01-31 18:30", "-t", "a")
    hyper("lists", "add", "Food")
    edited(home, monkeypatch)
    assert hyper("edit", "milk").out == "Nothing changed.\n"
    edited(home, monkeypatch, ("Title: Milk", "Title: Oat milk"), ("List: Work", "List: Food"))
    assert hyper("edit", "milk").out == "Changed 'Oat milk'.\n"
    edited(
        home, monkeypatch, ("Tags: a", "Tags: b, c d"), ("Priority: none", "Priority: low"),
        ("Done: no", "Done: yes"), ("Due: 2030-01-31 18:30", "Due: 2030-01-31"),
        ("empty line.\n", "empty line.\n\nA note\n\nof two parts"),
    )  # fmt: skip
    assert hyper("edit", "milk").status == 0
    task = json.loads(hyper("ls", "--done", "--json").out)
    assert (task["tags"], task["priority"], task["done"]) == (["b", "c d"], "low", True)
    assert task["description"] == "A note\n\nof two parts"
    assert task["due_at"].startswith("2030-01-31") or task["due_at"].startswith("2030-02-01")


def test_an_editor_that_is_not_there(hyper: Hyper, monkeypatch: pytest.MonkeyPatch) -> None:
    hyper("add", "Milk")
    monkeypatch.setenv("EDITOR", "no-such-editor")
    said = hyper("edit", "milk")
    assert said.status == FAILED
    assert "Nothing was changed. Set EDITOR to one that works" in said.err


def test_what_was_typed_in_an_editor_is_never_lost(
    hyper: Hyper, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("add", "Milk")
    for change, said in (
        (("Due: none", "Due: whenever"), "Due takes today"),
        (("Done: no", "Done: perhaps"), "Done takes yes or no"),
        (("Tags:", "Colour:"), "is not one of the lines Title, "),
        (("List: Inbox", "List: Nowhere"), "There is no list 'Nowhere'"),
    ):
        edited(home, monkeypatch, change)
        failed = hyper("edit", "milk")
        assert failed.status in (INVALID, NOT_FOUND)
        assert said in failed.err
        kept = Path(failed.err.rpartition("What you wrote is in ")[2].strip().rstrip("."))
        assert change[1] in kept.read_text()
        kept.unlink()


def test_imported_lines_survive_editing(
    hyper: Hyper, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "todo.txt").write_text("(Q) 2020-01-01 Buy milk k:v\n")
    hyper("import", "todo.txt")
    edited(home, monkeypatch, ("empty line.\n", "empty line.\n\nTwo litres\n"))
    assert hyper("edit", "milk").status == 0
    assert "Two litres\ntodo.txt: (Q)" in json.loads(hyper("ls", "--json").out)["description"]
    hyper("edit", "milk", "-n", "")
    assert hyper("export", "-", "-f", "todotxt").out == "(Q) 2020-01-01 Buy milk k:v\n"


# -- as people see it


def test_the_table_that_people_see(hyper: Hyper, terminal: None) -> None:
    assert told(hyper("ls").out) == "Nothing to do here."
    hyper("lists", "add", "Work")
    hyper("add", "Buy milk", "-l", "Work", "-d", "tomorrow", "-t", "shop", "-t", "two words")
    hyper("add", "Call \x1b[31mmum\x07 [bold]now[/bold]", "-d", "yesterday", "-p", "high")
    shown = hyper("ls").out
    assert "\x07" not in shown
    assert told(shown).splitlines() == [
        "# Task Due Tags",
        "1 !!! Call ␛[31mmum␇ [bold]now[/bold] yesterday",
        "2 Buy milk tomorrow shop two words",
    ]
    hyper("lists", "add", "Home")
    assert told(hyper("ls").out).splitlines()[2] == "2 Buy milk tomorrow shop two words Work"
    assert told(hyper("done", "2").out) == "'Buy milk' is done."
    assert told(hyper("ls", "--done").out).splitlines()[1].startswith("1 ✓ Buy milk")
    assert "List Open Done" in told(hyper("lists").out)
    assert "this one" in told(hyper("tokens").out)
    shown = told(hyper("show", "1").out)
    assert "Task Buy milk\nList Work\n" in shown


def test_narrow_terminals_leave_out_what_matters_less(
    hyper: Hyper, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("lists", "add", "Home")
    hyper("lists", "add", "Work")
    hyper("add", "Buy milk", "-l", "Work")
    assert told(hyper("ls").out).splitlines()[0] == "# Task Due List"  # nothing has a tag
    long = "Write a report to everybody who asked for one in the last twelve months"
    hyper(
        "add", long, "-l", "Work", "-t", "office", "-t", "a very long one", "-d", "2030-01-31 9am"
    )
    for columns, headings in (
        (120, "# Task Due Tags List"),
        (80, "# Task Due Tags List"),
        (70, "# Task Due Tags"),
        (60, "# Task Due"),
        (40, "# Task Due"),
    ):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = told(hyper("ls").out)
        assert shown.splitlines()[0] == headings
        assert "9:00" in shown
        assert len(shown.splitlines()) <= (8 if columns > 40 else 9)


def test_only_some_are_shown_and_that_is_said(hyper: Hyper, terminal: None, home: Path) -> None:
    (home / "todo.txt").write_text("".join(f"Thing {n}\n" for n in range(150)))
    hyper("import", "todo.txt")
    said = hyper("ls")
    assert len(said.out.splitlines()) == 101
    assert "There are more tasks. Show them: hyper ls -n 200" in told(said.err)
    assert len(hyper("ls", "-n", "500").out.splitlines()) == 151
    said = hyper("done", "thing 1")
    assert "60 tasks" in told(said.err) or "Thing 1" in told(said.out)


def test_the_uri_of_a_task_can_be_copied(
    hyper: Hyper, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("add", "Milk")
    monkeypatch.setenv("COLUMNS", "40")
    (line,) = [line for line in told(hyper("show", "milk").out).splitlines() if "http" in line]
    assert hyper("show", line.strip()).status == 0


def test_no_color_means_none(hyper: Hyper, terminal: None, monkeypatch: pytest.MonkeyPatch) -> None:
    hyper("add", "Milk", "-d", "yesterday")
    assert "\x1b[31m" in hyper("ls").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in hyper("ls").out


def test_everything_can_be_had_as_json(hyper: Hyper) -> None:
    made = json.loads(hyper("--json", "add", "Milk", "--due", "today").out)
    assert made["title"] == "Milk"
    assert made["list_uri"].startswith("http")
    for command in ("lists", "ls", "show milk", "tokens", "whoami", "api lists", "done milk"):
        assert json.loads(hyper(*command.split(), "--json").out.splitlines()[0])["uri"], command
    assert json.loads(hyper("edit", "milk", "--title", "x", "--json").out)["title"] == "x"
    assert hyper("rm", "x", "-y", "--json").out == ""


@pytest.mark.parametrize(
    ("command", "status", "error"),
    [
        (["done", "nothing"], NOT_FOUND, "There is no task 'nothing'."),
        (["rm", "milk"], USAGE, "Delete 'Milk'? Cannot ask: this is not a terminal."),
        (["add", "x", "-p", "urgent"], USAGE, "Invalid value for '--priority' / '-p'"),
        (["ls", "--nothing"], USAGE, "No such option"),
        (["frobnicate"], USAGE, "No such command 'frobnicate'."),
        (["add", "x" * 201], INVALID, "title must have at most 200 characters, and has 201"),
        (["import", "nowhere.csv"], FILE, "nowhere.csv: No such file or directory."),
    ],
)
def test_errors_can_be_had_as_json(
    hyper: Hyper, command: list[str], status: int, error: str
) -> None:
    hyper("add", "Milk")
    for arguments in ([*command, "--json"], ["--json", *command]):
        said = hyper(*arguments)
        assert (said.status, said.out) == (status, "")
        document = json.loads(said.err)
        assert document["error"].startswith(error)
        assert document["status"] == status
        assert document.keys() == {"error", "hint", "status", "problem", "errors"}


def test_json_errors_name_the_problem_and_the_fields(hyper: Hyper) -> None:
    hyper("add", "Milk")
    fields = json.loads(hyper("edit", "milk", "--title", "x" * 201, "--json").err)["errors"]
    assert [each["name"] for each in fields] == ["title"]
    problem = json.loads(hyper("ls", "-s", "colour", "--json").err)["problem"]
    assert problem.startswith("http")


# -- tokens, relations


def test_a_token_for_a_script(hyper: Hyper, monkeypatch: pytest.MonkeyPatch) -> None:
    hyper("add", "Milk")
    token = hyper(
        "tokens", "create", "cron", "--scope", "tasks:read", "--expires", "2h"
    ).out.strip()
    assert token.startswith("hya_")
    assert [line[0] for line in hyper("tokens").lines][-1] == "cron"
    monkeypatch.setenv("HYPERAPI_TOKEN", token)
    assert [line[1] for line in hyper("ls").lines] == ["Milk"]
    refused = hyper("add", "Bread", "-l", "Inbox")
    assert (refused.status, "See it with: hyper tokens" in refused.err) == (NOT_ALLOWED, True)
    monkeypatch.delenv("HYPERAPI_TOKEN")
    assert hyper("tokens", "revoke", "cron", "-y").out == "Ended 'cron'.\n"
    assert hyper("tokens", "revoke", "cron", "-y").status == NOT_FOUND
    assert hyper("tokens", "revoke").status == INVALID
    monkeypatch.setenv("HYPERAPI_TOKEN", token)
    assert hyper("ls").err.startswith("hyper: The token was revoked.")
    monkeypatch.delenv("HYPERAPI_TOKEN")
    assert hyper("tokens", "create", "x", "-e", "soon").status == INVALID
    assert "--scope takes tasks:read" in hyper("tokens", "create", "x", "-s", "tasks").err
    refused = hyper("tokens", "create", "x", "-e", "60d")
    assert (refused.status, "or add --lasting" in refused.err) == (INVALID, True)
    listed = json.loads(hyper("tokens", "create", "one", "-l", "Inbox", "--json").out)
    assert listed["list_uri"].startswith("http")
    hyper("tokens", "revoke", "--others", "-y")
    assert len(hyper("tokens").lines) == 1


def test_a_token_that_outlives_the_session(hyper: Hyper, monkeypatch: pytest.MonkeyPatch) -> None:
    hyper("add", "Milk")
    lasting = ("tokens", "create", "nightly", "-s", "tasks:read", "-e", "1y", "--lasting")
    token = hyper(*lasting, "--password-stdin", said=PASSWORD).out.strip()
    assert hyper(*lasting, "-l", "Inbox").status == USAGE
    assert [line[:2] for line in hyper("tokens").lines][-1] == ["nightly", "tasks:read"]
    root = json.loads(hyper("whoami", "--json").out)["root"]
    hyper("logout")
    monkeypatch.setenv("HYPERAPI_URL", root)
    monkeypatch.setenv("HYPERAPI_TOKEN", token)
    assert [line[1] for line in hyper("ls").lines] == ["Milk"]


def test_following_relations_by_hand(hyper: Hyper) -> None:
    made = hyper("api", "lists", "--submit", "create", "--field", "title=Food")
    assert json.loads(made.out)["title"] == "Food"
    hyper(
        "api",
        "lists",
        "1",
        "tasks",
        "-s",
        "create",
        "-f",
        "title=Milk",
        "-f",
        "tags=a",
        "-f",
        "tags=b",
    )
    found = json.loads(hyper("api", "tasks", "search", "q=milk", "tag=a", "tag=b").out)
    assert [item["title"] for item in found["items"]] == ["Milk"]
    assert "create" in json.loads(hyper("api", "lists").out)["forms"]
    assert json.loads(hyper("api", "tasks", "--all").out)["title"] == "Milk"
    said = hyper("api", "author")
    assert "has no link 'author'; it has authorize, changes, " in said.err
    assert hyper("api", "lists", "9").status == NOT_FOUND
    assert hyper("api", "lists", "-f", "title=x").status == USAGE
    assert hyper("api", "lists", "-s", "create", "-f", "title").status == USAGE
    assert hyper("api", "lists", "-s", "create", "-f", "colour=red").status == INVALID


def test_lists_are_made_renamed_archived_and_deleted(hyper: Hyper) -> None:
    hyper("lists", "add", "Food", "-n", "What we eat")
    assert (
        hyper("lists", "rename", "food", "Groceries").out == "'food' is called 'Groceries' now.\n"
    )
    assert hyper("lists", "archive", "Groceries").out == "'Groceries' is archived.\n"
    assert hyper("lists", "archive", "Groceries", "--undo").out == "'Groceries' is in use again.\n"
    assert hyper("lists", "rm", "Groceries").status == USAGE
    assert hyper("lists", "rm", "Groceries", "-y").status == 0
    assert hyper("lists").out == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(stranger: Hyper, shell: str) -> None:
    assert "_HYPER_COMPLETE" in stranger("completion", shell).out


def test_titles_of_lists_are_completed(hyper: Hyper, monkeypatch: pytest.MonkeyPatch) -> None:
    hyper("lists", "add", "Groceries")
    assert [item.value for item in complete_list(None, None, "gro")] == ["Groceries"]  # type: ignore[arg-type]
    monkeypatch.setenv("HYPERAPI_URL", "http://127.0.0.1:1/")
    assert complete_list(None, None, "gro") == []  # type: ignore[arg-type]


def test_somebody_else_was_quicker(
    hyper: Hyper, hyperapi: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("add", "Milk")
    script = home / "slow-editor"
    script.write_text(
        f"#!/bin/sh\n{sys.executable} -m hyper edit milk --title 'Oat milk' "
        '>/dev/null\nsed -i s/Milk/Goat/ "$1"\ntouch -d 2050-01-01 "$1"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    said = hyper("edit", "milk")
    assert said.status == CONFLICT
    assert "It has changed since you saw it." in said.err
    assert "It is now: 'Oat milk'." in said.err


def test_titles_are_said_as_they_are(hyper: Hyper) -> None:
    assert (
        hyper("add", "Zoë 👩\u200d👧 and \u202emore").out
        == "Added 'Zoë 👩\u200d👧 and �more' to Inbox.\n"
    )
    assert hyper("add", "it's").out == 'Added "it\'s" to Inbox.\n'


def test_bytes_that_are_no_text_are_named(hyper: Hyper) -> None:
    said = hyper("add", "caf\udce9", "-l", "Inbox")
    assert said.status == NOT_FOUND
    hyper("add", "Milk")
    for command in (
        ("add", "caf\udce9"),
        ("ls", "-q", "\udcff"),
        ("edit", "milk", "--title", "\udcff"),
    ):
        said = hyper(*command)
        assert (said.status, "must be Unicode, and is not" in said.err) == (INVALID, True), command


def test_the_last_day_of_all_is_shown_everywhere(
    hyper: Hyper, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("add", "Milk", "-d", "9999-12-31T23:59:59Z")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert hyper("show", "milk").status == 0
        assert "9999-12-31T23:59:59Z" in hyper("ls").out
        assert hyper("add", "x", "-d", "9999-12-31T23:59:59-23:59").status == INVALID
        assert hyper("export", "-", "-f", "todotxt").out == "Milk due:9999-12-31\n"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_whoever_says_no_is_obeyed(hyper: Hyper, monkeypatch: pytest.MonkeyPatch) -> None:
    hyper("add", "Milk")
    monkeypatch.setattr("hyper.listing.click.confirm", lambda *_, **__: False)
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("hyper.listing.sys", terminal)
    said = hyper("rm", "milk")
    assert (said.status, said.err) == (FAILED, "hyper: Nothing was done.\n")
    assert [line[1] for line in hyper("ls").lines] == ["Milk"]


def test_what_is_not_understood_is_said_like_everything_else(hyper: Hyper) -> None:
    assert hyper("add", "x", "-p", "urgent").err == (
        "hyper: Invalid value for '--priority' / '-p': 'urgent' is not one of 'none', 'low', "
        "'medium', 'high'.\n       See: hyper add --help\n"
    )
    assert hyper("frobnicate").err.startswith("hyper: No such command 'frobnicate'.")
    assert hyper().status == USAGE


def test_the_help_names_every_command_whole() -> None:
    told = [line for line in hyper_help().splitlines() if line.startswith("  ")]
    assert not [line for line in told if line.endswith("...")]
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(root.commands)


def hyper_help() -> str:
    """What ``hyper --help`` says."""
    return root.get_help(click.Context(root, info_name="hyper", terminal_width=80))


def test_numbers_that_cannot_be_kept_are_no_reason_to_show_nothing(
    hyper: Hyper, home: Path, terminal: None
) -> None:
    hyper("add", "Milk")
    (home / "config" / "hyperapi" / "rows.json").mkdir()
    said = hyper("ls")
    assert (said.status, "Milk" in said.out) == (0, True)
    assert "The numbers cannot be used: " in told(said.err)
    assert "rows.json: Is a directory" in told(said.err).replace("\n", " ")


def test_whoever_cannot_keep_tokens_is_not_signed_in(
    stranger: Hyper, hyperapi: Sandbox, home: Path
) -> None:
    ann = hyperapi.user("ann", PASSWORD)
    (home / "config" / "hyperapi" / "credentials.json").mkdir(parents=True)
    said = stranger("login", hyperapi.root, "-u", "ann", "--password-stdin", said=PASSWORD)
    assert said.status == FILE
    assert said.err.startswith("hyper: You are not signed in: the tokens cannot be stored.\n")
    assert "credentials.json: Is a directory" in said.err
    assert len(list(ann.follow("tokens").items())) == 1  # no session is left that nobody can use


def test_a_token_in_the_environment_is_what_has_to_be_changed(
    hyper: Hyper, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token in ("nonsense", "caf\xe9", "two words"):
        monkeypatch.setenv("HYPERAPI_TOKEN", token)
        said = hyper("ls")
        assert said.status == NOT_ALLOWED
        assert "It is the one in HYPERAPI_TOKEN: set another, or unset it" in said.err
    monkeypatch.delenv("HYPERAPI_TOKEN")
    made = hyper("tokens", "create", "cron").out
    monkeypatch.setenv("HYPERAPI_TOKEN", made)  # with its line end, as from a file
    assert hyper("ls").status == 0


def test_every_exit_status_has_a_meaning(hyper: Hyper) -> None:
    assert sorted(MEANINGS) == [*range(10), 130]
    assert hyper("frobnicate").status == USAGE
    assert hyper("--help").status == 0
    assert hyper("login", "http://127.0.0.1:1/", "-u", "x").status == UNREACHABLE


def test_days_are_counted_by_the_clock_on_the_wall(hyper: Hyper) -> None:
    tomorrow = datetime.now() + timedelta(days=1)
    hyper("add", "Milk", "--due", f"{tomorrow:%Y-%m-%d}")
    assert [line[1] for line in hyper("ls", "--due", "tomorrow").lines] == ["Milk"]


def test_what_is_due_on_a_day_before_a_missing_midnight_is_listed_then(
    hyper: Hyper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Africa/Cairo")
    time.tzset()
    try:
        hyper("add", "Milk", "--due", "2030-04-25")
        listed = {
            day: len(hyper("ls", "--due", f"2030-04-{day}").lines) for day in (24, 25, 26, 27)
        }
    finally:
        monkeypatch.undo()
        time.tzset()
    assert listed == {24: 0, 25: 1, 26: 0, 27: 0}
