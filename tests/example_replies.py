"""The story whose replies are the examples of the OpenAPI document, at an hour of its own.

    python -m tests.example_replies

writes them to where the package keeps them. Keys and times are always the same, so that a test can
tell whether they are still what the service answers.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from flask import Flask
from werkzeug.test import TestResponse

import hyperapi
from hyperapi import Settings, create_app
from hyperapi.auth.security_log import Refusals
from hyperapi.common import clock, ids
from hyperapi.http.openapi import EXAMPLES_BASE
from hyperapi.http.problems import PROBLEM_JSON
from hyperapi.http.routes import RouteTable
from hyperapi.ops import accounts
from hyperapi.representations.shapes import SHAPES
from hyperapi.state import state_of
from hyperapi.storage import migrations
from hyperapi.storage.database import database
from tests.conftest import CHEAP_HASHING, NO_LIMITS, SECRET_KEY

FILE = Path(hyperapi.__file__).parent / "http" / "examples.json"
PASSWORD = "correct horse battery staple"
_BEGIN = datetime(2030, 1, 31, 9, tzinfo=UTC)
_TOKEN = "hyv_Abl3NLNAcACAAAAAAAAAAcCL-gPIL16XMKTEKH7zMGUAAAG5d4nYIAAAAbl3pU9gAAAAAA.Nqb"
"""In place of a token that depends on the salt of a password."""
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


class Storyteller:
    """Asks, one request a minute, and keeps the first reply of each kind."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._client = app.test_client()
        self._minutes = count()
        self.moment = _BEGIN
        self.token = ""
        self.operations: dict[str, dict[str, dict[str, Any]]] = {}
        self.problems: dict[str, Any] = {}

    def ask(self, method: str, uri: str, accept: str = _JSON, **request: Any) -> Any:
        """The document of a reply, kept."""
        minute = next(self._minutes)
        self.moment = _BEGIN + timedelta(minutes=minute)
        headers = {
            "Accept": accept,
            "X-Request-Id": f"0194bb{minute:02x}-0000-4000-8000-000000000000",
            **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
            **request.pop("headers", {}),
        }
        reply = self._client.open(uri, method=method, headers=headers, **request)
        state_of(self._app)[Refusals].write()  # now, so that ids are the same each time
        self._keep(reply, request.get("json") or request.get("data"))
        return reply.json if reply.data else None

    def in_every_shape(self, uri: str) -> Any:
        """The same resource in each of its shapes; its document in the default one."""
        return [self.ask("GET", uri, accept) for accept in reversed(SHAPES.documents)][-1]

    def recovery_link(self, name: str) -> str:
        """The link that the operator makes for a user."""
        return accounts.recovery_link(state_of(self._app), name)

    def _keep(self, reply: TestResponse, body: Any) -> None:
        sent = reply.request
        adapter = self._app.url_map.bind(sent.host)
        endpoint, _ = adapter.match(sent.path, method=sent.method)
        places = state_of(self._app)[RouteTable].routes
        place = next(each for each in places if each.name == endpoint)
        kept = self.operations.setdefault(place.operations[sent.method].name, {})
        if reply.status_code >= 400:
            document = reply.json
            assert document is not None
            self.problems.setdefault(document["type"].rpartition("/")[2], document)
            return
        if body is not None:
            media_type = (sent.content_type or "").partition(";")[0]
            known = {**body, "token": _TOKEN} if "token" in body else body
            kept.setdefault("request", {}).setdefault(media_type, known)
        if reply.data:
            assert reply.content_type != PROBLEM_JSON
            kept.setdefault(str(reply.status_code), {}).setdefault(reply.content_type, reply.json)

    def examples(self) -> dict[str, Any]:
        """All that was kept, in an order that does not change."""
        named = {name: kept for name, kept in sorted(self.operations.items()) if kept}
        return {"operations": named, "problems": dict(sorted(self.problems.items()))}


def tell(teller: Storyteller) -> None:
    """From the root to a user who is gone, and what can go wrong on the way."""
    ask = teller.ask
    root = ask("GET", f"{EXAMPLES_BASE}/api/v1/")
    ask("GET", root["lists_uri"])  # token-missing
    alice = {"username": "alice", "password": PASSWORD}
    ask("POST", root["users_uri"], json={**alice, "email": "alice@example.org"})
    ask("POST", root["users_uri"], json=alice)  # taken
    ask("POST", root["tokens_uri"], json={**alice, "password": "wrong"})  # credentials-invalid
    ask("POST", root["tokens_uri"], data={**alice, "grant_type": "magic"})  # oauth-error
    ask("POST", root["tokens_uri"], data={**alice, "grant_type": "password"})
    made = ask("POST", root["tokens_uri"], json={**alice, "label": "laptop"})
    first = made["access_token"]
    made = ask("POST", root["tokens_uri"], json={"refresh_token": made["refresh_token"]})
    ask("GET", root["lists_uri"], headers={"Authorization": "Bearer hya_no"})  # token-invalid
    teller.token = made["access_token"]
    me = ask("GET", teller.in_every_shape(f"{EXAMPLES_BASE}/api/v1/")["user_uri"])
    for uri in (root["users_uri"], me["uri"], root["tokens_uri"], made["uri"]):
        teller.in_every_shape(uri)
    log = teller.in_every_shape(me["security_log_uri"])
    teller.in_every_shape(log["events"][0]["uri"])
    ask("PATCH", me["uri"], json={"email": None, "current_password": PASSWORD})
    whole = {"username": "alice", "email": "alice@example.org", "current_password": PASSWORD}
    ask("PUT", me["uri"], json=whole)
    _tell_of_lists(teller, root)
    _tell_of_documents(teller, root)
    reading = {"label": "clock", "scope": "tasks:read", "expires_in": 3600}
    derived = ask("POST", root["tokens_uri"], json=reading)
    teller.token = derived["access_token"]
    ask("POST", root["lists_uri"], json={"title": "Chores"})  # insufficient-scope
    ask("POST", f"{EXAMPLES_BASE}/api/v1/revoke", data={"token": derived["access_token"]})
    ask("GET", derived["uri"])  # token-revoked
    teller.token = first
    ask("DELETE", me["uri"])  # login-too-old
    _tell_of_recovery(teller)
    ask("DELETE", root["tokens_uri"])
    teller.token = ""
    teller.token = ask("POST", root["tokens_uri"], json=alice)["access_token"]
    ask("DELETE", me["uri"])


def _tell_of_recovery(teller: Storyteller) -> None:
    """A user who forgot the password, and an operator who helps."""
    page = teller.in_every_shape(f"{EXAMPLES_BASE}/api/v1/recovery")
    new = {"token": teller.recovery_link("alice").partition("=")[2], "password": PASSWORD}
    teller.ask("POST", page["uri"], json=new)
    teller.ask("POST", page["uri"], json=new)  # recovery-invalid
    teller.ask("POST", page["uri"], json=new, headers={"Origin": "https://elsewhere.example"})
    alice = {"username": "alice", "password": PASSWORD}
    teller.token = teller.ask("POST", page["tokens_uri"], json=alice)["access_token"]


def _tell_of_lists(teller: Storyteller, root: Any) -> None:
    ask = teller.ask
    groceries = ask("POST", root["lists_uri"], json={"title": "Groceries"})
    key, other = "0194bb00-0000-7000-8000-000000000001", "0194bb00-0000-7000-8000-000000000002"
    mine = root["list_uri_template"].replace("{uuid}", key)
    ask("PUT", mine, json={"title": "Offline"})
    ask("PUT", mine, json={"title": "Offline", "description": "made on the train"})
    ask("PATCH", mine, json={"archived": True})
    milk = {"title": "Milk", "due_at": "2030-02-01T18:00:00+01:00", "tags": ["dairy"]}
    task = ask("POST", groceries["tasks_uri"], json=milk)
    ask("POST", groceries["tasks_uri"], json={"title": "Bread", "priority": "high"})
    named = root["task_uri_template"].replace("{uuid}", other)
    ask("PUT", named, json={"title": "Sync", "list_uri": mine})
    ask("PUT", named, json={"title": "Sync twice", "done": True})
    for uri in (root["lists_uri"], groceries["uri"], groceries["tasks_uri"], task["uri"]):
        teller.in_every_shape(uri)
    teller.in_every_shape(root["tasks_uri"] + "?done=false&limit=1&total=true")
    ask("PATCH", task["uri"], json={"done": True})
    ask("POST", groceries["tasks_uri"], json={"title": "", "colour": "red"})  # invalid
    ask("POST", groceries["tasks_uri"], data=b"Milk", content_type=_JSON)  # malformed-body
    ask("POST", groceries["tasks_uri"], data=b"Milk", content_type="text/plain")
    ask("GET", root["tasks_uri"] + "?colour=red&limit=1000")  # bad-query
    ask("GET", task["uri"], "image/png")  # not-acceptable
    teller.in_every_shape(root["changes_uri"] + "?limit=2")
    ask("PATCH", task["uri"], json={"title": "Oat milk"}, headers={"If-Match": '"1.0"'})
    changes = ask("GET", task["history_uri"])["history"]
    ask("GET", changes[0]["uri"])
    ask("DELETE", task["uri"])
    ask("GET", task["uri"])  # not-found
    [item] = ask("GET", root["trash_uri"])["trash"]
    ask("GET", item["uri"])
    ask("POST", item["uri"], json={"list_uri": groceries["uri"]})
    ask("GET", groceries["history_uri"])
    ask("GET", root["history_uri"])
    ask("DELETE", task["uri"])
    ask("DELETE", root["trash_uri"] + "?all=true")
    changed = ask("PATCH", groceries["tasks_uri"] + "?done=false", json={"done": True})
    ask("POST", changed["undo_uri"])
    ask("POST", changed["undo_uri"])  # changed-since
    ask("PATCH", groceries["tasks_uri"] + "?done=false", json={"done": True})
    ask("PATCH", root["tasks_uri"] + "?tag=dairy", json={"priority": "low"})
    ask("DELETE", groceries["tasks_uri"] + "?done=true")
    ask("DELETE", root["tasks_uri"] + "?all=true")
    ask("DELETE", groceries["uri"])


def _tell_of_documents(teller: Storyteller, root: Any) -> None:
    teller.ask("GET", f"{EXAMPLES_BASE}/api/v1/rels/tasks")
    teller.ask("GET", f"{EXAMPLES_BASE}/api/v1/problems/not-found")
    teller.ask("GET", root["service_doc_uri"])
    for document in ("authorization-server", "protected-resource"):
        teller.ask("GET", f"{EXAMPLES_BASE}/.well-known/oauth-{document}")
    for health in ("live", "ready"):
        teller.ask("GET", f"{EXAMPLES_BASE}/health/{health}")


@contextmanager
def told_at_its_hour(app: Flask) -> Iterator[Storyteller]:
    """A storyteller whose clock and dice are set."""
    teller = Storyteller(app)
    dice = count(1)
    time = SimpleNamespace(time_ns=lambda: int(teller.moment.timestamp() * 1e9))
    chance = SimpleNamespace(urandom=lambda size: next(dice).to_bytes(size, "big"))

    def now(zone: tzinfo) -> datetime:
        return teller.moment.astimezone(zone)

    def seconds() -> float:
        return teller.moment.timestamp()

    hours = SimpleNamespace(now=now, fromisoformat=datetime.fromisoformat)
    with ExitStack() as patched:
        patched.enter_context(patch.object(ids, "time", time))
        patched.enter_context(patch.object(ids, "os", chance))
        patched.enter_context(patch.object(clock, "datetime", hours))
        patched.enter_context(patch.object(clock, "time", SimpleNamespace(time=seconds)))
        yield teller


def settings(folder: Path) -> Settings:
    """Those of the application that the story is told on."""
    return Settings.read(
        {
            "HYPERAPI_INSTANCE": str(folder),
            "HYPERAPI_SECRET_KEYS": SECRET_KEY,
            "HYPERAPI_ACCESS_TOKEN_LIFETIME": "86400",
            **CHEAP_HASHING,
            **NO_LIMITS,
        }
    )


def replies() -> dict[str, Any]:
    """What the service answers, as examples."""
    with TemporaryDirectory() as folder:
        chosen = settings(Path(folder))
        migrations.upgrade(chosen.database_url)
        app = create_app(chosen)
        with told_at_its_hour(app) as teller:
            tell(teller)
        with app.app_context():
            database.engine.dispose()
        return teller.examples()


if __name__ == "__main__":
    FILE.write_text(json.dumps(replies(), indent=1, ensure_ascii=False) + "\n")
