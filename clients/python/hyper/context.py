"""The command context: screen, account, client, and the names of lists."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from hyperapi_client import State
from hyperapi_client.text import folded

from hyper import dates
from hyper.accounts import Account, current
from hyper.failures import NOT_FOUND, USAGE, Failure, about_file
from hyper.numbering import Numbers
from hyper.screen import Screen
from hyper.undo_journal import Changes, UndoJournal
from hyper.wording import quoted

if TYPE_CHECKING:
    from hyperapi_client import Client, Resource

DEFAULT_LIST = "Inbox"
_MOST_SHOWN = 10
_PAGE = 100


class CommandContext:
    """The state of one run of the command.

    :ivar pausing: called before each wait with its seconds and its reason.
    """

    def __init__(self) -> None:
        self.screen = Screen()
        self.pausing: Callable[[float, str], None] = self._note_pause
        self.now = dates.now()
        self._clients: list[Client] = []
        self._changes = Changes()

    @cached_property
    def account(self) -> Account:
        """The account of this run."""
        return current()

    @cached_property
    def client(self) -> Client:
        """The client for the account."""
        return self.client_at(self.account.root, keeper=self.account.keeper)

    def client_at(self, root: str, **options: Any) -> Client:
        """Return a client for a server. It is closed when the command ends."""
        from hyperapi_client import Client

        client = Client(
            root,
            user_agent=self.user_agent,
            on_pause=self._pause,
            **options,
        )
        self._clients.append(client)
        return client

    @property
    def user_agent(self) -> str:
        """The name of this program, for servers."""
        return f"hyper/{version('hyperapi-client')}"

    def close(self) -> None:
        """Store what this command changed, and close all clients."""
        self._keep_changes()
        for client in self._clients:
            client.close()

    # -- changes

    def report(self, text: str, result: Resource, *, show: bool = True) -> None:
        """Report a change that succeeded, and keep it for ``hyper undo``.

        :param result: the reply to the change.
        :param show: whether programs get the result as JSON.
        """
        self.changed(text, result)
        self.screen.say(text, result.state if show else None)

    def changed(self, text: str, *results: Resource) -> None:
        """Keep a change for ``hyper undo``.

        :param text: tells people what changed.
        """
        undo = [each.state.undo for each in results if each.state.undo is not None]
        if undo:
            self._changes.said.append(text)
            self._changes.undo += undo

    def keep(self, changes: Changes) -> None:
        """Keep changes for ``hyper undo``, in the place of those until now."""
        self._changes = changes

    @cached_property
    def undo_journal(self) -> UndoJournal:
        """The changes of the last commands."""
        return UndoJournal(self.account.identity)

    def _keep_changes(self) -> None:
        if not self._changes.undo:
            return
        try:
            self.undo_journal.add(self._changes)
        except OSError as error:  # the change was made
            self.screen.note(f"hyper undo cannot undo this: {about_file(error)}.")
        else:
            if self.screen.for_people:
                self.screen.note("To undo this: hyper undo")

    def _pause(self, seconds: float, reason: str) -> None:
        self.pausing(seconds, reason)

    def _note_pause(self, seconds: float, reason: str) -> None:
        if seconds >= 1:
            self.screen.note(f"{reason}; continuing in {seconds:.0f} s")

    # -- lists

    @cached_property
    def lists(self) -> list[Resource]:
        """All lists, sorted by title."""
        return list(self.client.follow("lists").search(sort="title", limit=_PAGE).items())

    def forget_lists(self) -> None:
        """Read the lists again at their next use."""
        self.__dict__.pop("lists", None)

    @property
    def titles(self) -> Mapping[str, str]:
        """The titles of the lists, by URI."""
        return {each.uri: each.title for each in self.lists}

    def list_named(self, name: str) -> Resource:
        """Return the list with a title or URI.

        :raises Failure: when there is none, or more than one.
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
            f"Create it: hyper lists add {shlex.quote(name)}",
        )

    def list_or_default(self, name: str | None) -> Resource:
        """Return the list of that name; without a name, the only list, or the one called Inbox.

        :raises Failure: when several lists are possible.
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
        raise Failure(f"Several lists are possible. Add --list and one of {known}.", USAGE)

    def make_list(self, title: str, key: str | None = None) -> Resource:
        """Create a list.

        :param key: an Idempotency-Key, to create the list once.
        """
        from hyperapi_client import How

        how = How(idempotency_key=key)
        made = self.client.follow("lists").submit("create", title=title, how=how)
        self.lists.append(made)
        said = f"Created the list {quoted(title)}."
        self.changed(said, made)
        self.screen.note(said)
        return made

    # -- numbers

    @cached_property
    def numbers(self) -> Numbers:
        """The rows that the numbers in tables stand for."""
        return Numbers(self.account.identity)

    def remember(self, kind: str, rows: Iterable[State]) -> None:
        """Store the rows of a table, so that later commands accept their numbers."""
        try:
            self.numbers.keep(kind, rows)
        except OSError as error:  # the table is still useful
            self.screen.note(f"The numbers cannot be used: {about_file(error)}.")
