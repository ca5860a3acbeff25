"""What a JSON Schema cannot say, told to Schemathesis: whose token, which lists, which cursors.

Every request of it is somebody's who is signed in, and a third of those that name a resource name
one that is there. Signing out everywhere, or leaving for good, is tried like anything else: then
one signs in again, or somebody new comes.
"""

import os
import re
import threading
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import schemathesis
from schemathesis import AuthContext, Case, HookContext

AnyCase = Case[Any]
ROOT = os.environ.get("FUZZED_ROOT", "http://127.0.0.1:5000/api/v1/")
_PASSWORD = "correct horse battery staple"


@dataclass
class Somebody(threading.local):
    """A user with a list and a task, which are made again when they are gone.

    :param uris: where the user, its session, the list and the task are.
    """

    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))
    who: dict[str, str] = field(default_factory=dict)
    token: str = ""
    uris: dict[str, str] = field(default_factory=dict)
    unsure: bool = True

    def look(self) -> None:
        """Sign in; make what is not there."""
        root = self.client.get(ROOT).json()
        signed_in = self.client.post(root["tokens_uri"], json=self.who)
        if signed_in.status_code != 201:
            self.who = {"username": f"u{uuid4().hex[:20]}", "password": _PASSWORD}
            user = self.client.post(root["users_uri"], json=self.who).json()
            signed_in = self.client.post(root["tokens_uri"], json=self.who)
            self.uris["user"] = user["uri"]
        token = signed_in.json()
        self.uris["token"], self.token = token["uri"], token["access_token"]
        headers = {"Authorization": f"Bearer {self.token}"}
        for name in ("list", "task"):  # what was deleted stays so
            uri = self.uris.get(name, root["uri"])
            if name not in self.uris or self.client.get(uri, headers=headers).status_code == 404:
                self.uris[name] = root[f"{name}_uri_template"].replace("{uuid}", str(uuid4()))
        task = {"title": "Milk", "list_uri": self.uris["list"]}
        self.client.put(self.uris["list"], json={"title": "Groceries"}, headers=headers)
        self.client.put(self.uris["task"], json=task, headers=headers)
        self.unsure = False


SOMEBODY = Somebody()
_COUNTED = count()


@schemathesis.auth(refresh_interval=None)
class SignedIn:
    """The token of somebody who is there."""

    def get(self, case: AnyCase, context: AuthContext) -> str:
        if SOMEBODY.unsure:
            SOMEBODY.look()
        return SOMEBODY.token

    def set(self, case: AnyCase, data: str, context: AuthContext) -> None:
        if not os.environ.get("FUZZED_BY_A_STRANGER"):
            case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: HookContext, case: AnyCase, kwargs: dict[str, Any]) -> None:
    """Make sense of a request where a schema alone cannot."""
    if re.fullmatch("[!-~]{1,255}", case.headers.get("Idempotency-Key", "")):
        case.headers["Idempotency-Key"] = str(uuid4())
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    _name_what_is_there(case)
    _ask_sensibly(case)
    _ask_as_an_app(case)
    _send_sensibly(case)
    for name in ("If-Match", "If-None-Match"):
        if case.headers.get(name, "*").isalnum():  # its "coverage" phase has no other header text
            del case.headers[name]


@schemathesis.hook
def after_call(context: HookContext, case: AnyCase, response: schemathesis.Response) -> None:
    """Look whether all is still there, where it may not be."""
    if response.status_code < 300 and (case.method == "DELETE" or "/users/" in case.path):
        SOMEBODY.unsure = True


def _name_what_is_there(case: AnyCase) -> None:
    """A key that there is; not in stories, whose parts name what is there for themselves."""
    assert case.meta is not None
    kind = case.path.rpartition("/{key}")[0].rpartition("/")[2].removesuffix("s")
    if case.meta.phase.name.value == "stateful" or kind not in SOMEBODY.uris:
        return
    if next(_COUNTED) % 3 == 0:
        case.path_parameters = {"key": SOMEBODY.uris[kind].rpartition("/")[2]}


def _ask_sensibly(case: AnyCase) -> None:
    """Cursors come from links; what is done to many things needs a filter."""
    for name in ("cursor", "since"):
        case.query.pop(name, None)
    if case.method in ("PATCH", "DELETE") and case.path.endswith(("/tasks", "/trash")):
        case.query["all"] = "true"


def _ask_as_an_app(case: AnyCase) -> None:
    """The page for consent is for apps that are registered, and their own redirect URIs."""
    if case.path.endswith("/authorize"):
        case.query = {
            "response_type": "code",
            "client_id": "hyper",
            "redirect_uri": "http://127.0.0.1:1/callback",
            "code_challenge": "a" * 43,
            "code_challenge_method": "S256",
        }


def _send_sensibly(case: AnyCase) -> None:
    """Tasks are on lists that are there; changes of an account want its password.

    A place in the order is the first: one behind another task needs that task on the same list.
    """
    if not isinstance(case.body, dict):
        return
    if "after_uri" in case.body:
        case.body["after_uri"] = None
    if "list_uri" in case.body or (case.method == "PUT" and case.path.endswith("/tasks/{key}")):
        case.body["list_uri"] = SOMEBODY.uris["list"]
    if "/users/" in case.path and {"username", "email", "password"} & case.body.keys():
        case.body["current_password"] = _PASSWORD
        if "password" in case.body:
            case.body["password"] = _PASSWORD
