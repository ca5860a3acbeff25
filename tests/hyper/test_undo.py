"""``hyper undo``, ``hyper log`` and ``hyper trash``."""

import json

import pytest
from hyper.failures import CONFLICT, INVALID, NOT_FOUND, USAGE
from hyper.group import complete_session, complete_trashed

from hyperapi.sandbox.pytest_plugin import Sandbox
from tests.conftest import PASSWORD
from tests.hyper.conftest import Hyper
from tests.hyper.test_command import open_titles, told


@pytest.fixture
def agent(hyper: Hyper, monkeypatch: pytest.MonkeyPatch) -> Hyper:
    """Runs the command with a token of the label agent."""
    hyper("lists", "add", "Inbox")
    token = hyper("tokens", "create", "agent").out.strip()

    def run(*arguments: object) -> object:
        with monkeypatch.context() as environment:
            environment.setenv("HYPERAPI_TOKEN", token)
            done = hyper(*arguments)
        assert done.status == 0, done.err
        return done

    return run  # type: ignore[return-value]


# -- undo


def test_the_last_commands_are_undone_one_by_one_and_made_again(hyper: Hyper) -> None:
    assert hyper("undo").status == NOT_FOUND
    hyper("add", "Milk")
    hyper("add", "Bread")
    hyper("edit", "milk", "--title", "Oat milk")
    hyper("done", "oat milk", "bread", "-y")
    hyper("ls")
    assert hyper("undo").out == "Undone: 'Oat milk' is done. 'Bread' is done.\n"
    assert open_titles(hyper) == ["Bread", "Oat milk"]
    assert hyper("undo").out == "Undone: Changed 'Oat milk'.\n"
    assert open_titles(hyper) == ["Bread", "Milk"]
    assert hyper("undo", "--redo").out == "Made again: Changed 'Oat milk'.\n"
    assert hyper("undo", "--redo").out == "Made again: 'Oat milk' is done. 'Bread' is done.\n"
    assert open_titles(hyper) == []
    assert hyper("undo", "--redo").status == NOT_FOUND
    for _ in range(4):
        assert hyper("undo").status == 0
    assert hyper("lists").out == ""
    assert hyper("undo").status == NOT_FOUND


def test_deletions_moves_and_imports_are_undone(hyper: Hyper) -> None:
    for title in ("Milk", "Bread"):
        hyper("add", title)
    hyper("lists", "add", "Work")
    for command in (
        ["rm", "milk", "-y"],
        ["lists", "rm", "Inbox", "-y"],
        ["mv", "milk", "Work"],
        ["mv", "bread", "--first"],
        ["lists", "rename", "Inbox", "Home"],
        ["api", "lists", "1", "-s", "delete"],
    ):
        before = hyper("ls", "--json").out, hyper("lists").out
        said = hyper(*command)
        assert said.status == 0, said.err
        assert hyper("undo").status == 0, command
        after = hyper("ls", "--json").out, hyper("lists").out
        assert [line["title"] for line in map(json.loads, after[0].splitlines())] == [
            line["title"] for line in map(json.loads, before[0].splitlines())
        ]
        assert after[1] == before[1]
    hyper("import", "-", "-f", "jsonl", said='{"title": "A", "list": "New"}\n{"title": "B"}\n')
    assert len(hyper("lists").lines) == 3
    assert hyper("undo").status == 0
    assert len(hyper("lists").lines) == 2
    assert open_titles(hyper) == ["Bread", "Milk"]


def test_what_changed_since_is_named_and_nothing_is_undone(
    hyper: Hyper, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper("add", "Milk")
    hyper("edit", "milk", "-p", "high")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("hyper.undo_journal._terminal", lambda: -1)
        hyper("edit", "milk", "--title", "Oat milk")
    said = hyper("undo")
    assert said.status == CONFLICT
    assert said.err == (
        "hyper: 'Oat milk' changed later, so this cannot be undone.\n"
        "       See what changed: hyper log\n"
    )
    assert open_titles(hyper) == ["Oat milk"]
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("hyper.undo_journal._terminal", lambda: -1)
        assert hyper("undo").out == "Undone: Changed 'Oat milk'.\n"
    assert hyper("undo").status == 0


def test_a_change_too_old_is_said_to_be(hyper: Hyper, hyperapi: Sandbox) -> None:
    hyper("add", "Milk")
    hyperapi.clock.forward(days=20)
    hyper("ls")
    hyperapi.clock.forward(days=20)
    hyper("login", "-u", "ann", "--password-stdin", said=PASSWORD)
    said = hyper("undo")
    assert (said.status, "too old to undo" in said.err) == (NOT_FOUND, True), said


def test_the_terminal_shows_how_to_undo(hyper: Hyper, terminal: None) -> None:
    said = hyper("add", "Milk")
    assert told(said.err).splitlines()[-1] == "To undo this: hyper undo"
    said = hyper("undo")
    assert told(said.err) == "To make it again: hyper undo --redo"
    assert "hyper undo" not in hyper("ls").err


# -- the changes of a session


def test_all_that_a_session_did_is_undone(hyper: Hyper, agent: Hyper) -> None:
    for title in ("Milk", "Bread", "Eggs"):
        hyper("add", title)
    before = hyper("ls", "--json", "--sort", "position").out
    agent("edit", "milk", "--title", "Chalk")
    agent("done", "chalk")
    agent("done", "bread")
    agent("rm", "eggs", "-y")
    agent("lists", "add", "Plans")
    agent("add", "Take over", "-l", "Plans")
    assert hyper("undo", "--session", "agent").status == USAGE
    assert hyper("undo", "--session", "nobody", "-y").status == NOT_FOUND
    said = hyper("undo", "--session", "agent", "-y")
    assert (said.out, said.err) == ("Undid 6 changes by 'agent'.\n", "")

    def shown() -> list[tuple[str, bool]]:
        found = hyper("ls", "--json", "--all", "--sort", "position").out.splitlines()
        return [(each["title"], each["done"]) for each in map(json.loads, found)]

    assert shown() == [(json.loads(line)["title"], False) for line in before.splitlines()]
    assert hyper("lists").lines == [["Inbox", "3", "0"]]
    assert hyper("undo", "--session", "agent", "-y").status == NOT_FOUND
    assert hyper("undo").out == "Undone: Undid 6 changes by 'agent'.\n"
    assert ("Chalk", True) in shown()
    assert hyper("undo", "--session", "agent", "-y").status == 0
    assert len(shown()) == 3


def test_a_session_whose_changes_others_changed_is_refused_as_a_whole(
    hyper: Hyper, agent: Hyper
) -> None:
    for title in ("Milk", "Bread"):
        hyper("add", title)
    agent("edit", "milk", "-p", "high")
    agent("edit", "bread", "-p", "high")
    agent("edit", "milk", "-t", "shop")
    hyper("edit", "milk", "--title", "Oat milk")
    said = hyper("undo", "--session", "agent", "-y")
    assert said.status == CONFLICT
    assert "Others changed 'Milk' later. Nothing was undone." in said.err
    assert "add --skip" in said.err
    assert json.loads(hyper("show", "bread", "--json").out)["priority"] == "high"
    said = hyper("undo", "--session", "agent", "--skip", "-y")
    assert (said.status, said.out) == (0, "Undid 1 change by 'agent'.\n")
    assert "2 changes stayed" in said.err
    milk = json.loads(hyper("show", "milk", "--json").out)
    assert (milk["title"], milk["priority"], milk["tags"]) == ("Oat milk", "high", ["shop"])
    assert hyper("undo", "--session", "agent", "--skip", "-y").status == CONFLICT


def test_only_the_changes_since_a_day_are_undone(
    hyper: Hyper, agent: Hyper, hyperapi: Sandbox
) -> None:
    agent("add", "Milk")
    assert hyper("undo", "--session", "agent", "--since", "tomorrow", "-y").status == NOT_FOUND
    assert hyper("undo", "--session", "agent", "--since", "someday").status == INVALID
    assert hyper("undo", "--since", "today").status == USAGE
    assert hyper("undo", "--session", "agent", "--since", "today", "-y").status == 0
    assert open_titles(hyper) == []


# -- log


def test_the_log_tells_what_changed_and_who_did_it(hyper: Hyper, agent: Hyper) -> None:
    hyper("add", "Milk", "-d", "2030-01-31")
    agent("edit", "milk", "--title", "Oat milk", "-d", "none", "-t", "shop")
    agent("done", "oat milk")
    hyper("lists", "add", "Work")
    hyper("mv", "oat milk", "Work")
    hyper("undo")
    lines = hyper("log", "oat milk").lines
    assert [line[4] for line in lines] == [
        "from 'Work' to 'Inbox'",
        "from 'Inbox' to 'Work'",
        "done",
        "title 'Milk' → 'Oat milk', due 31 Jan 2030 → none, tags none → shop",
        "created",
    ]
    assert [line[1] == "agent" for line in lines] == [False, False, True, True, False]
    assert [line[5] for line in lines] == ["undone", "undone", "", "", ""]
    everything = hyper("log").lines
    assert [line[2:5] for line in everything][2] == ["list", "Work", "created"]
    assert [line[4] for line in hyper("log", "--session", "agent").lines] == [
        line[4] for line in lines[2:4]
    ]
    assert [line[4] for line in hyper("log", "-l", "Work").lines] == ["created"]
    assert json.loads(hyper("log", "oat milk", "--json", "-n", "1").out)["type"] == "moved"
    assert hyper("log", "nothing").status == NOT_FOUND
    assert hyper("log", "oat milk", "--session", "agent").status == USAGE


def test_the_log_on_a_terminal(hyper: Hyper, terminal: None) -> None:
    assert told(hyper("log").out) == "Nothing has changed."
    hyper("add", "Milk")
    hyper("done", "milk")
    hyper("undo")
    lines = told(hyper("log", "milk").out).splitlines()
    assert lines[0] == "When By Change"
    assert [line.partition("hyper on ")[2].partition(" ")[2] for line in lines[1:]] == [
        "open again (undone)",
        "done (undone)",
        "created",
    ]
    assert told(hyper("log").out).splitlines()[0] == "When By Of Change"


# -- trash


def test_deleted_things_are_restored_or_deleted_for_good(hyper: Hyper) -> None:
    assert hyper("trash").out == ""
    for title in ("Milk", "Bread", "Bread rolls", "Eggs"):
        hyper("add", title)
    hyper("rm", "Milk", "Bread", "Bread rolls", "-y")
    lines = hyper("trash").lines
    assert [line[1:3] for line in lines] == [
        ["task", "Bread rolls"],
        ["task", "Bread"],
        ["task", "Milk"],
    ]
    assert hyper("trash", "restore", "bread").out == "Restored 'Bread'.\n"
    assert hyper("trash", "restore", lines[2][3]).out == "Restored 'Milk'.\n"
    assert hyper("undo").out == "Undone: Restored 'Milk'.\n"
    assert open_titles(hyper) == ["Bread", "Eggs"]
    assert hyper("trash", "rm", "milk").status == USAGE
    assert hyper("trash", "rm", "milk", "-y").out == "Deleted 'Milk' for good.\n"
    assert hyper("trash", "restore", "milk").status == NOT_FOUND
    assert "Delete 1 item for good? Cannot ask" in hyper("trash", "empty").err
    assert hyper("trash", "empty", "-y").out == "Deleted 1 item for good.\n"
    assert hyper("trash", "empty", "-y").out == "The trash is empty.\n"


def test_a_task_of_a_deleted_list_is_restored_to_another(hyper: Hyper) -> None:
    hyper("add", "Milk")
    hyper("lists", "add", "Work")
    hyper("rm", "milk", "-y")
    hyper("lists", "rm", "Inbox", "-y")
    said = hyper("trash", "restore", "milk")
    assert said.status == CONFLICT
    assert said.err == (
        "hyper: The list of 'Milk' is deleted too.\n"
        "       Restore the list first, or add --list LIST.\n"
    )
    said = hyper("trash", "restore", "milk", "--list", "work")
    assert said.out == "Restored 'Milk' to Work.\n"
    assert hyper("trash", "restore", "Inbox").out == "Restored 'Inbox'.\n"
    assert hyper("lists").lines == [["Inbox", "0", "0"], ["Work", "1", "0"]]


def test_the_trash_on_a_terminal(hyper: Hyper, terminal: None) -> None:
    assert told(hyper("trash").out) == "The trash is empty."
    hyper("add", "Milk")
    hyper("add", "Milk")
    hyper("ls")
    hyper("rm", "1", "-y")
    hyper("ls")
    hyper("rm", "1", "-y")
    hyper("lists", "rm", "Inbox", "-y")
    shown = hyper("trash")
    assert told(shown.out).splitlines() == [
        "# Title Deleted",
        "1 Inbox list with 0 tasks just now",
        "2 Milk task just now",
        "3 Milk task just now",
    ]
    assert told(shown.err) == "To restore: hyper trash restore ITEM"
    said = hyper("trash", "restore", "milk")
    assert (said.status, "2 items could be meant by 'milk'." in told(said.err)) == (NOT_FOUND, True)
    hyper("trash")
    assert told(hyper("trash", "restore", "1", "2").out) == "Restored 'Inbox'.\nRestored 'Milk'."


def test_items_and_sessions_are_completed(hyper: Hyper, agent: Hyper) -> None:
    agent("add", "Milk")
    hyper("rm", "milk", "-y")
    assert [each.value for each in complete_trashed(None, None, "mi")] == ["Milk"]  # type: ignore[arg-type]
    assert [each.value for each in complete_session(None, None, "ag")] == ["agent"]  # type: ignore[arg-type]
