"""What every command has at hand: a screen, an account, a client, and how things are named."""

import shlex
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib.metadata import version
from typing import Any

from hyperapi_client import Client, How, Resource, State
from hyperapi_client.text import folded

from hyper import dates
from hyper.accounts import Account, current
from hyper.failures import NOT_FOUND, USAGE, Failure, about_file
from hyper.formatting import Screen
from hyper.numbering import Numbers
from hyper.wording import quoted

USER_AGENT = f"hyper/{version('hyperapi-client')}"
DEFAULT_LIST = "Inbox"
_MOST_SHOWN = 10
_PAGE = 100


class CommandContext:
    """One run of the command.

    :ivar pausing: is told how long it has to wait, and why.
    """

    def __init__(self) -> None:
        self.screen = Screen()
        self.pausing: Callable[[float, str], None] = self._note_pause
        self.now = dates.now()
        self._clients: list[Client] = []

    @cached_property
    def account(self) -> Account:
        """Whose lists these are."""
        return current()

    @cached_property
    def client(self) -> Client:
        """A client for the account."""
        return self.client_at(self.account.root, keeper=self.account.keeper)

    def client_at(self, root: str, **options: Any) -> Client:
        """A client for a server, which is closed when the command ends."""
        client = Client(
            root,
            user_agent=USER_AGENT,
            on_pause=self._pause,
            **options,
        )
        self._clients.append(client)
        return client

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.close()

    def _pause(self, seconds: float, reason: str) -> None:
        self.pausing(seconds, reason)

    def _note_pause(self, seconds: float, reason: str) -> None:
        if seconds >= 1:
            self.screen.note(f"{reason}; going on in {seconds:.0f} s")

    # -- lists

    @cached_property
    def lists(self) -> list[Resource]:
        """All lists, in order of their titles."""
        return list(self.client.follow("lists").search(sort="title", limit=_PAGE).items())

    def forget_lists(self) -> None:
        """Ask for the lists anew: they may have changed."""
        self.__dict__.pop("lists", None)

    @property
    def titles(self) -> Mapping[str, str]:
        """The lists' titles, by URI."""
        return {each.uri: each.title for each in self.lists}

    def list_named(self, name: str) -> Resource:
        """The list that somebody means.

        :raises Failure: when there is none, or several.
        """
        by_uri = [each for each in self.lists if each.uri == name]
        exactly = [each for each in self.lists if each.title == name]
        alike = [each for each in self.lists if folded(each.title) == folded(name)]
        found = by_uri or exactly or alike
        if len(found) == 1:
            return found[0]
        if found:
            raise Failure(
                f"There are {len(found)} lists called {quoted(name)}. Name one by its URI:",
                NOT_FOUND,
                "\n".join(each.uri for each in found),
            )
        known = ", ".join(quoted(each.title) for each in self.lists[:_MOST_SHOWN]) or "none yet"
        raise Failure(
            f"There is no list {quoted(name)}. Lists: {known}.",
            NOT_FOUND,
            f"Make one: hyper lists add {shlex.quote(name)}",
        )

    def list_or_default(self, name: str | None) -> Resource:
        """The list of that name; without one, the only list, or the one called Inbox.

        :raises Failure: when it is not clear which one is meant.
        """
        if name is not None:
            return self.list_named(name)
        if len(self.lists) == 1:
            return self.lists[0]
        if not self.lists:
            return self.make_list(DEFAULT_LIST)
        if any(folded(each.title) == folded(DEFAULT_LIST) for each in self.lists):
            return self.list_named(DEFAULT_LIST)
        known = ", ".join(quoted(each.title) for each in self.lists[:_MOST_SHOWN])
        raise Failure(f"On which list? Add --list and one of {known}.", USAGE)

    def make_list(self, title: str, key: str | None = None) -> Resource:
        """A new list.

        :param key: makes it once, however often it is asked for.
        """
        how = How(idempotency_key=key)
        made = self.client.follow("lists").submit("create", title=title, how=how)
        self.lists.append(made)
        self.screen.note(f"Made the list {quoted(title)}.")
        return made

    # -- numbers

    @cached_property
    def numbers(self) -> Numbers:
        """What the numbers in tables stand for."""
        return Numbers(self.account.identity)

    def remember(self, kind: str, rows: Iterable[State]) -> None:
        """Let the numbers that were shown stand for these rows from now on."""
        try:
            self.numbers.keep(kind, rows)
        except OSError as error:  # no reason not to show them
            self.screen.note(f"The numbers will stand for nothing: {about_file(error)}.")
