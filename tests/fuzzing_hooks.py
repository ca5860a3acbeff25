"""What a JSON Schema cannot say, told to Schemathesis: whose token, which lists, which cursors.

Every request of it is somebody's who is signed in, and a third of those that name a resource name
one that is there. Signing out everywhere, or leaving for good, is tried like anything else: then
there is somebody new.
"""

import os
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import Any
from uuid import uuid4

import httpx
import schemathesis
from schemathesis import AuthContext, Case, HookContext

AnyCase = Case[Any]
ROOT = os.environ.get("FUZZED_ROOT", "http://127.0.0.1:5000/api/v1/")
_PASSWORD = "correct horse battery staple"


@dataclass
class Somebody:
    """A user with a list and a task, made anew when it is gone."""

    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))
    token: str = ""
    root: dict[str, Any] = field(default_factory=dict)
    uris: dict[str, str] = field(default_factory=dict)
    is_there: bool = False
    lock: Lock = field(default_factory=Lock)

    def ask(self, method: str, uri: str, **request: Any) -> httpx.Response:
        """Send a request, with the token if there is one."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.client.request(method, uri, headers=headers, **request)

    def begin(self) -> None:
        """Register, sign in, and make a list with a task."""
        self.token = ""
        self.root = self.ask("GET", ROOT).json()
        who = {"username": f"u{uuid4().hex[:20]}", "password": _PASSWORD}
        user = self.ask("POST", self.root["users_uri"], json=who).json()
        token = self.ask("POST", self.root["tokens_uri"], json=who).json()
        self.token = token["access_token"]
        made = self.ask("POST", self.root["lists_uri"], json={"title": "Groceries"}).json()
        task = self.ask("POST", made["tasks_uri"], json={"title": "Milk"}).json()
        named = {"user": user, "token": token, "list": made, "task": task}
        self.uris = {name: document["uri"] for name, document in named.items()}
        self.is_there = True


SOMEBODY = Somebody()
_COUNTED = count()


@schemathesis.auth(refresh_interval=None)
class SignedIn:
    """The token of somebody who is there."""

    def get(self, case: AnyCase, context: AuthContext) -> str:
        with SOMEBODY.lock:
            if not SOMEBODY.is_there:
                SOMEBODY.begin()
            return SOMEBODY.token

    def set(self, case: AnyCase, data: str, context: AuthContext) -> None:
        if not os.environ.get("FUZZED_BY_A_STRANGER"):
            case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: HookContext, case: AnyCase, kwargs: dict[str, Any]) -> None:
    """Make sense of a request where a schema alone cannot."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    _name_what_is_there(case)
    _ask_sensibly(case)
    _send_sensibly(case)
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid4())


@schemathesis.hook
def after_call(context: HookContext, case: AnyCase, response: schemathesis.Response) -> None:
    """Look for somebody new when what this one had may be gone."""
    if response.status_code < 300 and (case.method == "DELETE" or "/users/" in case.path):
        SOMEBODY.is_there = False


def _name_what_is_there(case: AnyCase) -> None:
    kind = case.path.rpartition("/{key}")[0].rpartition("/")[2].removesuffix("s")
    if kind in SOMEBODY.uris and next(_COUNTED) % 3 == 0:
        case.path_parameters = {"key": SOMEBODY.uris[kind].rpartition("/")[2]}


def _ask_sensibly(case: AnyCase) -> None:
    """Cursors come from links; what is done to many things needs a filter."""
    query = case.query or {}
    for name in ("cursor", "since"):
        query.pop(name, None)
    if case.method in ("PATCH", "DELETE") and case.path.endswith("/tasks"):
        query["all"] = "true"
    case.query = query


def _send_sensibly(case: AnyCase) -> None:
    """Tasks are on lists that are there; a new password wants the present one."""
    if not isinstance(case.body, dict):
        return
    if "list_uri" in case.body or (case.method == "PUT" and case.path.endswith("/tasks/{key}")):
        case.body["list_uri"] = SOMEBODY.uris["list"]
    if "password" in case.body and "/users/" in case.path:
        case.body["current_password"] = _PASSWORD
        case.body["password"] = _PASSWORD
