"""The accounts that a run on a deployed service made, and how they are removed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from werkzeug.test import TestResponse

from hyperapi.http.bodies import FORM
from hyperapi.testing.deployment import Deployment, Sent, UriClient
from hyperapi.testing.url_world import UrlWorld
from hyperapi.testing.world import Somebody

_ROUNDS = 3
"""Deleted resources go to the trash, where they are deleted once more."""


@dataclass
class Account:
    """An account that this run registered."""

    uri: str
    name: str
    password: str

    def __str__(self) -> str:
        return f"the account {self.name} ({self.uri})"


class Accounts:
    """The accounts that a run registered.

    :param registration: the URI of registration.
    :ivar made: how many there were.
    """

    def __init__(self, registration: str) -> None:
        self.made = 0
        self._registration = registration
        self._registered: dict[str, Account] = {}

    def note(self, sent: Sent, status: int, headers: Any) -> None:
        """Keep what a request made or deleted."""
        known = self._registered.get(sent.uri)
        if known and status < 300 and sent.method in ("PUT", "PATCH"):
            members = _members(sent)
            known.name = members.get("username", known.name)
            known.password = members.get("password", known.password)
        if known and status < 300 and sent.method == "DELETE":
            del self._registered[sent.uri]
        if (sent.method, sent.uri, status) == ("POST", self._registration, 201):
            told = {name.lower(): value for name, value in headers}
            members = _members(sent)
            self.made += 1
            made = Account(told["location"], members["username"], members["password"])
            self._registered[made.uri] = made

    def remove(self, deployment: Deployment, tokens: str, say: Callable[[str], None]) -> list[str]:
        """Delete the registered accounts with all they have. Return what could not be removed.

        :param tokens: the URI at which people sign in.
        """
        left, waiting = [], list(self._registered.values())
        try:
            while waiting:
                if why := _removed(deployment, tokens, waiting[0]):
                    left.append(f"{waiting[0]}: {why}")
                waiting.pop(0)
        except KeyboardInterrupt:
            left += [f"{each}: interrupted" for each in waiting]
        if self.made:
            say(f"Deleted {self.made - len(left)} of {self.made} accounts.")
        return left


def _removed(deployment: Deployment, tokens: str, account: Account) -> str:
    """Delete one account. Return why it is still there; nothing when it is gone."""
    client = UriClient(deployment, TestResponse)
    credentials = {"username": account.name, "password": account.password}
    try:
        session: Any = client.post(tokens, json=credentials)
        if session.status_code != 201:
            return f"it cannot sign in ({session.status})"
        token = session.json["access_token"]
        reply = client.delete(account.uri, headers={"Authorization": f"Bearer {token}"})
    except Exception as failure:  # the other accounts are deleted all the same
        return str(failure) or type(failure).__name__
    return "" if reply.status_code in (204, 404) else reply.status


def emptied(world: UrlWorld, person: Somebody) -> list[str]:
    """Delete all that a person with a given account has. Return what is left."""
    for _ in range(_ROUNDS):
        for uri in world.belongings(person):
            person.ask("DELETE", uri)
    return world.belongings(person)


def _members(sent: Sent) -> dict[str, Any]:
    """The members of a body; none where it is not one object."""
    try:
        if sent.content_type.startswith(FORM):
            return {name: found[0] for name, found in parse_qs(sent.body.decode()).items()}
        found = json.loads(sent.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
