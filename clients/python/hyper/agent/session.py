"""The session of a model: a token that is derived from the user's, with fewer rights.

It has no scope ``account``, so a model can neither change the password nor derive tokens of its
own. It may be read-only, or bound to one list. It ends with the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hyperapi_client import Tokens

if TYPE_CHECKING:
    from hyperapi_client import Client, Resource

NEVER_GIVEN = "account"
"""The scope that no model gets."""


@dataclass
class AgentSession:
    """Derives the tokens of a model.

    :param user: the client of the user.
    :param label: names the session in the list of sessions and in histories.
    :param scope: of the tokens; empty for all of the user's but ``account``.
    :param on: the list that the tokens are bound to, if any.
    """

    user: Client
    label: str
    scope: str = ""
    on: Resource | None = None

    def begin(self) -> Tokens:
        """Derive a token. It replaces an expired one."""
        wanted: dict[str, Any] = {"label": self.label, "scope": self.scope or self._widest()}
        made = self.user.derive(self.on, **wanted)
        return Tokens.read(made.members, made.uri)

    def _widest(self) -> str:
        """Return the user's scope without ``account``."""
        sessions = self.user.follow("tokens")
        current = next(each for each in sessions.items() if each.current)
        return " ".join(word for word in current.scope.split() if word != NEVER_GIVEN)
