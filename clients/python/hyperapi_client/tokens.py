"""The tokens of a client, and their storage."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from hyperapi_client.errors import NotHyperapi


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a session.

    :param access: sent with each request to the root's origin.
    :param refresh: gets new tokens when the access token has expired; None when there is none.
    :param uri: of the session, for signing out; empty when it is not known.
    :param client_id: the app that the session was granted to (OAuth 2.1), which refreshing needs;
        empty without one.
    """

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    uri: str = ""
    client_id: str = ""

    @classmethod
    def read(cls, members: Mapping[str, Any], uri: str = "") -> Self:
        """Read the tokens from a token resource.

        :raises NotHyperapi: when it has none.
        """
        if "access_token" not in members:
            raise NotHyperapi(f"Signing in{f' at {uri}' if uri else ''} gave no token.")
        refresh = members.get("refresh_token")
        refresh = None if refresh is None else str(refresh)
        return cls(str(members["access_token"]), refresh, uri, str(members.get("client_id", "")))


class Keeper(Protocol):
    """A store of a client's tokens, which processes can share."""

    def load(self) -> Tokens | None:
        """Return the stored tokens."""

    def save(self, tokens: Tokens | None) -> None:
        """Replace the stored tokens; None deletes them."""

    def turn(self) -> AbstractContextManager[object]:
        """Return a context in which no other user of the store refreshes the tokens. A refresh
        token that is used twice counts as stolen."""


class InMemory:
    """A store that lasts as long as the client."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    def load(self) -> Tokens | None:
        return self._tokens

    def save(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def turn(self) -> AbstractContextManager[object]:
        return nullcontext()
