"""Walks through the service with halchemy, knowing its root and the names of relations.

usage: python halchemy_walk.py ROOT; prints each step that worked, and fails at the first that
does not. HAL has links and no forms: what to send is from the documentation, where to, never.
"""

import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from halchemy import Api
from halchemy.resource import HalResource

CREDENTIALS = {"username": "hal", "password": "correct horse battery"}


def step(name: str) -> None:
    """Say that a part of the way is done."""
    print(name, flush=True)


def titles(page: Any) -> list[str]:
    return [item["title"] for item in page.embedded_many("item")]


def pages(api: Api, page: Any, relation: str) -> Iterator[Any]:
    """A page and those that follow it."""
    yield page
    while page.has_rel(relation):
        page = api.follow(page).to(relation).get()
        yield page


def sign_in(api: Api) -> Any:
    root = api.home.get()
    api.follow(root).to("users").post(CREDENTIALS)
    session = api.follow(root).to("tokens").post(CREDENTIALS)
    api.add_headers({"Authorization": f"Bearer {session['access_token']}"})
    step("sign in")
    return session


def fill(api: Api) -> Any:
    groceries = api.follow(api.home.get()).to("lists").post({"title": "Groceries"})
    for number in range(1, 61):
        tags = ["food", "odd" if number % 2 else "even"]
        api.follow(groceries).to("tasks").post({"title": f"Thing {number:02}", "tags": tags})
    assert api.follow(groceries).to("self").get()["open_count"] == 60
    step("fill a list")
    return groceries


def leaf_through(api: Api, groceries: Any) -> Any:
    found = list(pages(api, api.follow(groceries).to("tasks").get(), "next"))
    assert [len(titles(page)) for page in found] == [25, 25, 10]
    back = list(pages(api, found[-1], "prev"))
    assert [titles(page) for page in reversed(back)] == [titles(page) for page in found]
    step("leaf through its pages")
    return found[0]


def search(api: Api, page: Any) -> Any:
    wanted = {"tag": ["food", "odd"], "title_prefix": "thing 1", "sort": "-title", "limit": 3}
    found = api.follow(page).to("search").with_template_values(wanted).get()
    assert titles(found) == ["Thing 19", "Thing 17", "Thing 15"]
    assert titles(api.follow(found).to("next").get()) == ["Thing 13", "Thing 11"]
    step("search")
    return found.embedded_many("item")[0]


def work(api: Api, embedded: Any) -> None:
    task = api.follow(embedded).to("self").get()
    assert task == embedded
    at = api.follow(task).to("self")
    assert at.patch({"title": "Bread"})["title"] == "Bread"
    stale = at.patch({"title": "Butter"})  # still with the ETag of what was there first
    assert stale._halchemy.response.status_code == 412
    task = at.get()
    task["done"] = True
    done = api.follow(task).to("self").put(task)  # the whole document
    assert done["completed_at"], done
    task["done"] = False
    assert api.follow(done).to("self").put(task)["completed_at"] is None
    api.follow(api.follow(task).to("self").get()).to("self").delete()
    gone = api.follow(task).to("self").get()
    assert gone._halchemy.response.status_code == 404
    step("work on a task")


def choose_name(api: Api, groceries: Any) -> None:
    root = HalResource(api.home.get())  # without its ETag, which halchemy would send along
    at = api.follow(root).to("task").with_template_values({"uuid": str(uuid4())})
    list_uri = groceries["_links"]["self"]["href"]
    made = at.put({"title": "Named offline", "list_uri": list_uri})
    assert made._halchemy.response.status_code == 201
    assert made["_links"]["self"]["href"] == at.url
    step("choose a name")


def leave(api: Api, session: Any) -> None:
    api.follow(session).to("self").delete()
    assert api.home.get()._halchemy.response.status_code == 401
    step("leave")


def main(root: str) -> None:
    """The whole way."""
    api = Api(root)
    session = sign_in(api)
    groceries = fill(api)
    page = leaf_through(api, groceries)
    work(api, search(api, page))
    choose_name(api, groceries)
    leave(api, session)


if __name__ == "__main__":
    main(sys.argv[1])
