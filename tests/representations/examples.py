"""Resources that have everything a resource can have, to be shown in every shape.

A shape's golden file holds what it makes of :data:`PAGE`; whoever changes a shape sees in the
file's difference what clients will see.
"""

from pathlib import Path

from hyperapi.representations.resource import Resource

GOLDEN = Path(__file__).with_name("golden")
BASE = "https://todo.example.org/api/v1"


def task(key: int, title: str, *, done: bool) -> Resource:
    """A task, short of some members."""
    return Resource(
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
    items_name="tasks",
)

EMPTY_PAGE = Resource(uri=f"{BASE}/tasks", members={}, items=[], items_name="tasks")
