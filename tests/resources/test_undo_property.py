"""Any sequence of writes by several writers, undone from the last to the first, leaves everything
as it was."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.conftest import Person
from tests.resources.test_undo import has_undo, undo_uri

Move = tuple[str, int, int, str]
"""An action, the list or task that it changes, another list or task, and a text."""

MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "make list",
                "edit list",
                "delete list",
                "make task",
                "make tasks",
                "edit task",
                "toggle task",
                "move task",
                "order task",
                "order task",
                "order list",
                "put task",
                "delete task",
                "complete all",
                "clear completed",
                "move all",
                "restore",
                "undo the last",
            )
        ),
        st.integers(0, 3),
        st.integers(0, 3),
        st.text("aA\u00e4\u00df\u0130\U0001f600'\"\\ ", min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=12,
)


class Story:
    """Two sessions of one user, who write in turn, and the replies to their writes."""

    def __init__(self, writers: list[Person]) -> None:
        self.writers = writers
        self.turn = 0
        self.written: list[tuple[Any, TestResponse]] = []

    @property
    def writer(self) -> Person:
        """The one whose turn it is."""
        return self.writers[self.turn % len(self.writers)]

    def all(self, name: str) -> list[Any]:
        """All lists, or all tasks, in the order by hand."""
        uri = self.writer.root[f"{name}_uri"]
        found = self.writer.get(f"{uri}?sort=position&limit=100")[name]
        assert isinstance(found, list)
        return found

    def some(self, name: str, number: int) -> Any:
        """One of them; None without any."""
        found = self.all(name)
        return found[number % len(found)] if found else None

    def seen(self) -> Any:
        """All representations, without what an undoing makes anew."""
        both = [*self.all("lists"), *self.all("tasks")]
        return [{name: each[name] for name in each if name != "updated_at"} for each in both]

    def write(self, move: Move) -> None:
        """Do something, and keep its reply if it can be undone."""
        self.turn += 1
        before = self.seen()
        request = self.request(move)
        if request is None:
            return
        method, uri, body = request
        reply = self.writer.ask(method, uri, **({} if body is None else {"json": body}))
        assert reply.status_code < 300 or reply.status_code == 409, reply.text
        if has_undo(reply):
            self.written.append((before, reply))
        elif reply.status_code < 300:
            assert self.seen() == before

    def request(self, move: Move) -> tuple[str, str, Any] | None:
        """The request of a move; None where there is nothing to do it to."""
        what, number, _, text = move
        root = self.writer.root
        if what == "make list":
            return "POST", root["lists_uri"], {"title": text}
        if what == "restore":
            item = self.writer.get(root["trash_uri"])["trash"]
            return ("POST", item[number % len(item)]["uri"], None) if item else None
        if what == "undo the last":
            return ("POST", undo_uri(self.written[-1][1]), None) if self.written else None
        return self.request_about(move)

    def request_about(self, move: Move) -> tuple[str, str, Any] | None:
        """The request of a move that is about a list or a task; None without any."""
        what, number, other, text = move
        here, there = self.some("lists", number), self.some("lists", other)
        task = self.some("tasks", number)
        if here is None:
            return None
        requests: dict[str, tuple[str, str, Any]] = {
            "order list": ("PATCH", here["uri"], {"after_uri": _other(here, there)}),
            "edit list": ("PATCH", here["uri"], {"title": text, "archived": number % 2 == 0}),
            "delete list": ("DELETE", here["uri"], None),
            "make task": ("POST", here["tasks_uri"], {"title": text, "done": other % 2 == 0}),
            "make tasks": ("POST", here["tasks_uri"], {"tasks": [{"title": text}] * other}),
            "complete all": ("PATCH", f"{here['tasks_uri']}?done=false", {"done": True}),
            "clear completed": ("DELETE", f"{here['tasks_uri']}?done=true", None),
            "move all": ("PATCH", f"{here['tasks_uri']}?all=true", {"list_uri": there["uri"]}),
        }
        if what in requests:
            return requests[what]
        if task is None:
            return None
        uri = task["uri"]
        return {
            "edit task": ("PATCH", uri, {"title": text, "tags": [text], "priority": "high"}),
            "toggle task": ("PATCH", uri, {"done": not task["done"]}),
            "move task": ("PATCH", uri, {"list_uri": there["uri"]}),
            "order task": ("PATCH", uri, {"after_uri": self.neighbour(task, other)}),
            "put task": ("PUT", uri, {"title": text, "list_uri": there["uri"]}),
            "delete task": ("DELETE", uri, None),
        }[what]

    def neighbour(self, task: Any, number: int) -> str | None:
        """Another task on the list of a task; None for the front."""
        found = [each for each in self.all("tasks") if each["list_uri"] == task["list_uri"]]
        return _other(task, found[number]) if number < len(found) else None

    def undo_all(self) -> None:
        """Undo every write, the last one first."""
        while self.written:
            before, reply = self.written.pop()
            self.turn += 1
            undone = self.writer.ask("POST", undo_uri(reply))
            assert undone.status_code == 200, undone.text
            assert self.seen() == before


def _other(resource: Any, other: Any) -> str | None:
    """The URI of another resource; None when it is the same."""
    return None if other["uri"] == resource["uri"] else str(other["uri"])


class Reader:
    """A client that follows the feed, and what it knows by that."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.uri = person.root["changes_uri"]
        self.known: dict[str, Any] = {}

    def catch_up(self) -> Any:
        """Read all changes. Return the resources by URI, without their counts."""
        more = True
        while more:
            page = self.person.get(self.uri)
            for each in page["changes"]:
                self.known.pop(each["uri"], None)
                if not each["deleted"]:
                    self.known[each["uri"]] = each["resource"]
            more, self.uri = page["more"], page["next_uri"]
        return {uri: without_counts(each) for uri, each in self.known.items()}


def without_counts(resource: Any) -> Any:
    """A resource without what changes without being a change."""
    return {name: resource[name] for name in resource if not name.endswith("_count")}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=MOVES)
def test_undoing_all_writes_leaves_everything_as_it_was(
    make_person: Callable[..., Person], moves: list[Move]
) -> None:
    """Places have no space between them here, so that most moves spread the rows nearby."""
    first = make_person()
    story = Story([first, first.elsewhere(label="another"), first.elsewhere()])
    here = first.make_list("Here")
    first.make_task(here, "Task", done=True)
    start, reader = story.seen(), Reader(first)
    reader.catch_up()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hyperapi.extension.moves.GAP", 1)
        patched.setattr("hyperapi.extension.order.GAP", 1)
        for move in moves:
            story.write(move)
        assert reader.catch_up() == current(story)
        story.undo_all()
    assert story.seen() == start
    assert reader.catch_up() == current(story)


def current(story: Story) -> Any:
    """All resources by URI, without their counts."""
    both = [*story.all("lists"), *story.all("tasks")]
    return {each["uri"]: without_counts(each) for each in both}
