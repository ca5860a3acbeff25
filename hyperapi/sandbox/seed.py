"""The initial data of a sandbox: a JSON file of users, created through the API.

::

    {"users": [{"username": "ann", "password": "…",
                "lists": [{"title": "Groceries", "tasks": [{"title": "Milk"}]}]}]}
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from hyperapi.settings import SettingsError, read_text

_MOST_TASKS = 1000


class SeedError(SettingsError):
    """An invalid seed. The message is one line with the reason."""


def read(file: Path | None, usernames: Sequence[str]) -> list[dict[str, Any]]:
    """Return the users of a seed: the named ones, and those of the file with their data.

    :raises SettingsError: when the file cannot be read.
    :raises SeedError: when its structure is not valid.
    """
    seeded: list[dict[str, Any]] = []
    if file is not None:
        try:
            document = json.loads(read_text(file))
        except (json.JSONDecodeError, RecursionError) as error:
            raise SeedError(f"{file} cannot be read: {error}") from None
        seeded = document.get("users") if isinstance(document, dict) else None  # type: ignore[assignment]
        if not isinstance(seeded, list) or not all(isinstance(each, dict) for each in seeded):
            raise SeedError(
                f'{file} must contain an object such as {{"users": [{{"username": "ann"}}]}}'
            )
    named = {each.get("username") for each in seeded}
    return [*({"username": name} for name in usernames if name not in named), *seeded]


def plant(
    app: Flask,
    base_url: str,
    users: Sequence[Mapping[str, Any]],
    headers: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Create users with their lists and tasks.

    :param base_url: the URL of the server, for its URIs.
    :param headers: headers of every request.
    :returns: each user's ``username``, ``password`` and ``access_token``.
    :raises SeedError: when the API refuses a request.
    """
    client = _ApiClient(app.test_client(), base_url, headers or {})
    return [_plant_user(client, user) for user in users]


class _ApiClient:
    """A client of the API before it is served."""

    def __init__(self, client: FlaskClient, base_url: str, headers: Mapping[str, str]) -> None:
        self._client = client
        self._base_url = base_url
        self._headers = headers
        self.root = self.ask("GET", "/", follow_redirects=True)

    def ask(self, method: str, uri: str, token: str = "", **request: Any) -> dict[str, Any]:
        """Send a request and return the document of its reply.

        :raises SeedError: when it is refused.
        """
        headers = {**self._headers, **({"Authorization": f"Bearer {token}"} if token else {})}
        response = self._client.open(
            uri, method=method, base_url=self._base_url, headers=headers, **request
        )
        document: dict[str, Any] = response.json or {}
        if response.status_code >= 400:
            wrong = "; ".join(_describe(each) for each in document.get("errors", ()))
            raise SeedError(f"the seed is refused: {wrong or document.get('detail')}")
        return document


def _plant_user(client: _ApiClient, user: Mapping[str, Any]) -> dict[str, Any]:
    control = client.ask("GET", client.root["control_uri"])
    who = {name: value for name, value in user.items() if name != "lists"}
    made = client.ask("POST", control["users_uri"], json=who)
    for each in user.get("lists", ()):
        _plant_list(client, made, each)
    return {name: made[name] for name in ("username", "password", "access_token")}


def _plant_list(client: _ApiClient, user: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    token = user["access_token"]
    members = {name: value for name, value in wanted.items() if name != "tasks"}
    made = client.ask("POST", user["lists_uri"], token, json=members)
    tasks = wanted.get("tasks", [])
    for start in range(0, len(tasks), _MOST_TASKS):
        body = {"tasks": tasks[start : start + _MOST_TASKS]}
        client.ask("POST", made["tasks_uri"], token, json=body)


def _describe(error: Mapping[str, Any]) -> str:
    return f"{error.get('pointer', '').lstrip('/')} {error['detail']}"
