"""The story that the service is there for, from nothing to tasks of one's own."""

from tests.conftest import Person


def test_two_people_keep_lists_apart(alice: Person, bob: Person) -> None:
    groceries = alice.make_list("Groceries")
    for number in range(30):
        alice.make_task(groceries, f"Thing {number}", priority="high" if number % 2 else "low")
    page = alice.get(groceries["tasks_uri"] + "?priority=high&limit=10")
    assert [task["title"] for task in page["tasks"]] == [f"Thing {n}" for n in range(1, 20, 2)]
    rest = alice.get(page["next_uri"])
    assert [task["title"] for task in rest["tasks"]] == [f"Thing {n}" for n in range(21, 30, 2)]
    assert rest["next_uri"] is None
    first, second = page["tasks"][:2]
    done = alice.ask("PATCH", first["uri"], json={"done": True})
    assert done.status_code == 200
    assert alice.get(first["uri"])["completed_at"] is not None
    assert alice.ask("DELETE", second["uri"]).status_code == 204
    assert alice.ask("GET", second["uri"]).status_code == 404
    counted = alice.get(groceries["uri"])
    assert (counted["open_count"], counted["done_count"]) == (28, 1)
    assert bob.ask("GET", first["uri"]).status_code == 404
    assert bob.get(bob.root["tasks_uri"])["tasks"] == []
