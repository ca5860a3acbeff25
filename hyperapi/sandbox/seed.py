"""The initial data of a sandbox: users in JSON, created through the API.

::

    {"users": [{"username": "ann", "password": "…",
                "lists": [{"title": "Groceries", "tasks": [{"title": "Milk"}]}]}]}

Collections are described in :mod:`hyperapi.sandbox.planting`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from hyperapi.common.ids import new_id
from hyperapi.http.context import Context
from hyperapi.http.problems import Problem
from hyperapi.http.uris import UriSpace, base_of
from hyperapi.sandbox import users as sandbox_users
from hyperapi.sandbox.users import NewPerson
from hyperapi.settings import SettingsError, read_text
from hyperapi.state import state_of


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


def plant(app: Flask, base_url: str, users: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Create users with all that is theirs.

    :param base_url: the URL of the server, for its URIs.
    :returns: each user's ``username``, ``password`` and ``access_token``.
    :raises SeedError: when the API refuses something.
    """
    return [_plant_user(app, base_url, user) for user in users]


def _plant_user(app: Flask, base_url: str, user: Mapping[str, Any]) -> dict[str, Any]:
    state, environ = state_of(app), EnvironBuilder(base_url=base_url).get_environ()
    ctx = Context(state, environ, state[UriSpace].under(base_of(environ)))
    ctx.request_id = new_id()
    try:
        made = sandbox_users.make(ctx, NewPerson.of({**user})).members
    except Problem as problem:
        raise SeedError(f"the seed is refused: {_in_one_line(problem)}") from None
    return {name: made[name] for name in ("username", "password", "access_token")}


def _in_one_line(problem: Problem) -> str:
    errors = problem.members.get("errors", ())
    wrong = (f"{error['pointer'].lstrip('/')} {error['detail']}" for error in errors)
    return "; ".join(wrong) or problem.detail
