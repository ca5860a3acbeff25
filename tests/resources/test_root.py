"""The root: what a program finds that knows nothing else."""

from uuid import uuid4

import pytest
import uritemplate
from flask import Flask

from tests.conftest import MakeApp, Person, problem


def test_a_stranger_finds_where_to_register_and_sign_in(stranger: Person) -> None:
    root = stranger.root
    assert root["uri"] == "http://localhost/api/v1/"
    assert stranger.get(root["users_uri"])["users"] == []
    assert stranger.get(root["tokens_uri"])["tokens"] == []
    assert "user_uri" not in root


def test_i_find_myself_and_what_is_mine(alice: Person) -> None:
    root = alice.root
    assert alice.get(root["user_uri"])["username"] == "alice"
    assert alice.get(root["lists_uri"])["lists"] == []
    assert alice.get(root["tasks_uri"])["tasks"] == []


def test_i_can_name_a_list_and_a_task_myself(alice: Person) -> None:
    root, key, other = alice.root, str(uuid4()), str(uuid4())
    list_uri = uritemplate.expand(root["list_uri_template"], uuid=key)
    task_uri = uritemplate.expand(root["task_uri_template"], uuid=other)
    made = alice.ask("PUT", list_uri, json={"title": "Offline"})
    assert (made.status_code, made.headers["Location"]) == (201, list_uri)
    task = alice.ask("PUT", task_uri, json={"title": "Sync", "list_uri": list_uri})
    assert (task.status_code, task.headers["Location"]) == (201, task_uri)


def test_the_root_links_are_in_its_headers_too(alice: Person) -> None:
    reply, root = alice.ask("GET", "/api/v1/"), alice.root
    rels = "http://localhost/api/v1/rels"
    for name in ("users", "tokens", "lists", "tasks", "user"):
        assert f'<{root[f"{name}_uri"]}>; rel="{rels}/{name}"' in reply.headers["Link"]
    for name in ("list", "task"):
        template = f'"{root[f"{name}_uri_template"]}"; rel="{rels}/{name}"'
        assert template in reply.headers["Link-Template"]


@pytest.mark.parametrize(("path", "statuses"), [("/", {302, 307, 308}), ("/api/v1", {307, 308})])
def test_i_am_led_to_the_root(app: Flask, path: str, statuses: set[int]) -> None:
    led = app.test_client().get(path)
    assert led.status_code in statuses
    assert led.headers["Location"] == "http://localhost/api/v1/"


@pytest.mark.parametrize("path", ["/api/v1/lists/", "/api", "/lists", "/api/v1//lists", "/api/v2/"])
def test_there_is_nothing_at_paths_that_no_link_names(stranger: Person, path: str) -> None:
    problem(stranger.ask("GET", path), 404, "not-found")


def test_those_who_run_it_can_see_that_it_works(stranger: Person) -> None:
    assert stranger.get("/health/live")["status"] == "alive"
    assert stranger.get("/health/ready")["status"] == "ready"


def test_it_is_alive_but_not_ready_before_its_tables_are_made(
    make_app: MakeApp, tmp_path: object
) -> None:
    client = make_app(database_url=f"sqlite:///{tmp_path}/new.db").test_client()
    assert client.get("/health/live").status_code == 200
    problem(client.get("/health/ready"), 503, "unavailable")
