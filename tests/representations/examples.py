"""Resources that have everything a resource can have, to be shown in every shape.

A shape's golden file holds what it makes of :data:`PAGE`; whoever changes a shape sees in the
file's difference what clients will see.
"""

from pathlib import Path

from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Instant, Members, ResourceType, Uri

GOLDEN = Path(__file__).with_name("golden")
BASE = "https://todo.example.org/api/v1"


class TaskMembers(Members):
    """Some members of a task, and one that only examples have."""

    title: str
    description: str
    done: bool
    due_at: Instant | None
    tags: list[str]
    note: str
    list_uri: Uri


TASK_TYPE = ResourceType("Task", TaskMembers, titled_by="title", lead="description")
TASKS_TYPE = ResourceType("Tasks", items=TASK_TYPE, items_name="tasks")
CHANGE_TYPE = ResourceType("Change", named=False)
CHANGES_TYPE = ResourceType("Changes", entries=CHANGE_TYPE, entries_name="changes")


def task(key: int, title: str, *, done: bool) -> Resource:
    """A task, short of some members."""
    return Resource(
        TASK_TYPE,
        uri=f"{BASE}/tasks/{key}",
        members={
            "title": title,
            "done": done,
            "due_at": None,
            "tags": ["fresh", "weiß"],
            "list_uri": f"{BASE}/lists/1",
        },
        links={"list": f"{BASE}/lists/1"},
    )


PAGE = Resource(
    TASKS_TYPE,
    uri=f"{BASE}/tasks?limit=2",
    members={"total": 5},
    links={
        "first": f"{BASE}/tasks?limit=2",
        "prev": None,
        "next": f"{BASE}/tasks?limit=2&cursor=abc",
        "last": f"{BASE}/tasks?limit=2&cursor=xyz",
        "service-desc": f"{BASE}/openapi.json",
    },
    templates={"search": f"{BASE}/tasks{{?q,tag*}}"},
    items=[task(2, "Milk", done=False), task(3, 'Bread & "Butter"', done=True)],
)

EMPTY_PAGE = Resource(TASKS_TYPE, f"{BASE}/tasks", {}, items=[])
