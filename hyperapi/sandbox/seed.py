"""The initial data of a sandbox: users in JSON, created through the API.

::

    {"users": [{"username": "ann", "password": "…",
                "lists": [{"title": "Groceries", "tasks": [{"title": "Milk"}]}]}]}

A list of objects names a collection that the root, or the object around it, links to. So a user's
``notes`` are created in the collection ``notes`` of an extension.
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


def read(source: str, usernames: Sequence[str]) -> list[dict[str, Any]]:
    """Return the users of a seed: the named ones, and those of the source with their data.

    :param source: a file, or the JSON object itself; empty for none.
    :raises SettingsError: when the file cannot be read.
    :raises SeedError: when its structure is not valid.
    """
    seeded = _read_users(source) if source else []
    named = {each.get("username") for each in seeded}
    return [*({"username": name} for name in usernames if name not in named), *seeded]


def _read_users(source: str) -> list[dict[str, Any]]:
    inline = source.lstrip().startswith("{")
    name = "the seed" if inline else source
    try:
        document = json.loads(source if inline else read_text(Path(source)))
    except (json.JSONDecodeError, RecursionError) as error:
        raise SeedError(f"{name} cannot be read: {error}") from None
    users = document.get("users") if isinstance(document, dict) else None
    if not isinstance(users, list) or not all(isinstance(each, dict) for each in users):
        raise SeedError(
            f'{name} must contain an object such as {{"users": [{{"username": "ann"}}]}}'
        )
    return users


def plant(
    app: Flask,
    base_url: str,
    users: Sequence[Mapping[str, Any]],
    headers: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Create users with all that is theirs.

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
    owned = {name: value for name, value in user.items() if isinstance(value, list)}
    who = {name: value for name, value in user.items() if name not in owned}
    made = client.ask("POST", control["users_uri"], json=who)
    root = client.ask("GET", client.root["uri"], made["access_token"])
    _plant_all(client, made["access_token"], root, owned)
    return {name: made[name] for name in ("username", "password", "access_token")}


def _split(wanted: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Split an object into its own members, and the objects to create in its collections."""
    owned = {name: value for name, value in wanted.items() if _is_collection(name, value)}
    return {name: value for name, value in wanted.items() if name not in owned}, owned


def _is_collection(name: str, value: Any) -> bool:
    """Whether a member is a collection. An empty list may also be a member such as tags."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return False
    return bool(value) or name in ("lists", "tasks")


def _plant_all(
    client: _ApiClient, token: str, parent: Mapping[str, Any], owned: Mapping[str, list[Any]]
) -> None:
    """Create objects in the collections that the parent links to by their names."""
    for name, objects in owned.items():
        uri = parent.get(f"{name}_uri")
        if uri is None:
            raise SeedError(f"the seed has {name}, and {parent['uri']} has no such link")
        if name == "tasks":
            _plant_tasks(client, token, uri, objects)
            continue
        for each in objects:
            members, inside = _split(each)
            _plant_all(client, token, client.ask("POST", uri, token, json=members), inside)


def _plant_tasks(client: _ApiClient, token: str, uri: str, tasks: Sequence[Any]) -> None:
    """Create tasks on a list, many with one request."""
    for start in range(0, len(tasks), _MOST_TASKS):
        client.ask("POST", uri, token, json={"tasks": tasks[start : start + _MOST_TASKS]})


def _describe(error: Mapping[str, Any]) -> str:
    return f"{error.get('pointer', '').lstrip('/')} {error['detail']}"
