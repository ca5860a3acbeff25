"""The five tools, as flows of the client (:mod:`hyperapi_client.transport`).

A flow does no input or output of its own, so any client can run it:
``client.run(bridge.open("tasks"))``.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import Any
from uuid import uuid4

from hyperapi_client import ClientError, Conflict, Field, Form, NotHyperapi, ProblemError, State
from hyperapi_client.actions import Actions, How, form_of, uri_of
from hyperapi_client.document import HAL
from hyperapi_client.transport import Flow

from hyper.agent.documents import Documents, is_destructive
from hyper.agent.references import References

Document = dict[str, Any]

_VERSION = "updated_at"
_GUARDED = ("PUT", "PATCH", "DELETE")
_MOST_KEPT = 1_000
_MOST_PAGES = 1_000
_LATEST = 20
_REPEATED_WITHIN = 600.0
_CHANGED = "It has changed since that version."


class Stale(ClientError):
    """A change names no version, or an old one. Nothing was done.

    :ivar current: the resource as it is now.
    """

    def __init__(self, reason: str, current: Document) -> None:
        super().__init__(f"{reason} Nothing was done. Decide again with the resource as it is now.")
        self.current = current


class NoUndo(ClientError):
    """The reference is no undo link that was shown. Nothing was sent."""


class Bridge:
    """The tools.

    :param actions: of the client that runs the flows.
    :param is_undo: tells whether a URI is an undo link of the user; by default it is one if this
        bridge has shown it.
    :param most_pages: how many pages of the feed a call may read to find the latest changes.
    """

    def __init__(
        self,
        actions: Actions,
        is_undo: Callable[[str], bool] | None = None,
        most_pages: int = _MOST_PAGES,
    ) -> None:
        self._actions = actions
        self._is_undo = is_undo or self._was_shown
        self._most_pages = most_pages
        self._undos: OrderedDict[str, None] = OrderedDict()
        self._failed: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def open(self, target: str) -> Flow[Document]:
        """Return a resource with its links and forms.

        :param target: a relation of the root, or a URI; empty for the root.
        """
        return (yield from self._shown((yield from self._at(target))))

    def search(self, target: str, query: Mapping[str, Any]) -> Flow[Document]:
        """Return the part of a collection that matches."""
        place = yield from self._at(target)
        form = (place.forms or {}).get("search")
        values = yield from self._values(form, query)
        return (yield from self._shown((yield from self._actions.follow(place, "search", values))))

    def submit(
        self, target: str, name: str, fields: Mapping[str, Any], version: str
    ) -> Flow[Document]:
        """Fill in a form that a resource offers now, send it, and return the result.

        :param version: the ``updated_at`` that the model saw.
        :raises Stale: when the form changes a resource that has another version.
        """
        current = yield from self._at(target)
        form = form_of(current, current.forms or {}, name)
        yield from self._check_version(current, form, version)
        values = yield from self._values(form, fields)
        with self._key(json.dumps([current.uri, name, values], sort_keys=True)) as key:
            how = How(idempotency_key=key)
            try:
                result = yield from self._actions.submit(current, name, values, how)
            except Conflict as conflict:
                newer = conflict.current_state or current
                raise Stale(_CHANGED, (yield from self._documents()).outline(newer)) from conflict
        return (yield from self._result(result, is_destructive(form)))

    def undo(self, reference: str) -> Flow[Document]:
        """Undo a change, by the link in its reply or in a history.

        :raises NoUndo: for any other URI.
        """
        references = yield from self._references()
        uri = references.resolve(reference)
        if not self._is_undo(uri):
            raise NoUndo(
                f"{reference!r} is no undo link that you were shown here. Nothing was sent. The "
                "links of earlier changes are in histories."
            )
        result = yield from self._actions.undo(State(uri, undo=uri))
        document = yield from self._result(result, False)
        return {name: value for name, value in document.items() if name != "uri"}

    def changes(self, since: str) -> Flow[Document]:
        """Return the changes since a position: oldest first, a page at a time.

        :param since: the ``since`` of an earlier result. When empty: the latest changes.
        """
        documents = yield from self._documents()
        if since:
            page = yield from self._actions.at((yield from self._uri(since)), HAL)
        else:
            page = yield from self._latest_changes()
        references = yield from self._references()
        return {
            "changes": [documents.change(each) for each in _changes_in(page)],
            "more": bool(page.members.get("more")),
            "since": references.short(uri_of(page, "next", {})),
        }

    # -- helpers

    def _was_shown(self, undo: str) -> bool:
        return undo in self._undos

    def _latest_changes(self) -> Flow[State]:
        """Return the present end of the feed, with the latest changes.

        A long feed is read to a part of it. The page then says that there is more.
        """
        uri = yield from self._actions.resolve(None, "changes", {})
        page = yield from self._actions.at(uri, HAL)
        found = _changes_in(page)
        for _ in range(self._most_pages):
            if not page.members.get("more"):
                break
            page = yield from self._actions.at(uri_of(page, "next", {}), HAL)
            found = [*found, *_changes_in(page)][-_LATEST:]
        return replace(page, members={**page.members, "changes": found[-_LATEST:]})

    def _references(self) -> Flow[References]:
        return References((yield from self._actions.transport.root()).uri)

    def _documents(self) -> Flow[Documents]:
        return Documents((yield from self._references()))

    def _at(self, target: str) -> Flow[State]:
        """Return the resource that a model names."""
        return (yield from self._actions.at((yield from self._uri(target))))

    def _uri(self, target: str) -> Flow[str]:
        root = yield from self._actions.transport.root()
        link = root.links.get(target)
        if link is not None and not link.templated:
            return link.href
        return References(root.uri).resolve(target)

    def _values(self, form: Form | None, given: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """Return values with absolute URIs in the fields that take a URI."""
        references = yield from self._references()
        fields = {} if form is None else form.fields
        return {
            name: references.resolve(value)
            if isinstance(value, str) and value and name in fields and _takes_uri(fields[name])
            else value
            for name, value in given.items()
        }

    def _check_version(self, current: State, form: Form, version: str) -> Flow[None]:
        """:raises Stale: when a form would change another version than the model saw."""
        now = current.members.get(_VERSION)
        if form.method not in _GUARDED or form.target != current.uri or now in (None, version):
            return
        reason = _CHANGED
        if not version:
            reason = f"{form.name!r} needs version: its {_VERSION} as you saw it."
        raise Stale(reason, (yield from self._documents()).outline(current))

    @contextmanager
    def _key(self, submission: str) -> Iterator[str]:
        """Provide an Idempotency-Key.

        After a failure or a cancelled call it may not be known whether the submission took effect.
        So the same submission gets the same key for a while, and takes effect once.
        """
        key, since = self._failed.pop(submission, ("", 0.0))
        if monotonic() - since > _REPEATED_WITHIN:
            key = str(uuid4())
        try:
            yield key
        except BaseException as failure:
            if not isinstance(failure, ProblemError) or failure.status >= 500:
                _keep(self._failed, submission, (key, monotonic()))
            raise

    def _shown(self, state: State) -> Flow[Document]:
        """Return a resource as it is shown. Its undo links can be used from now on."""
        for each in (state, *(state.items or ())):
            self._remember_undo(each)
        return (yield from self._documents()).whole(state)

    def _result(self, state: State, deleted: bool) -> Flow[Document]:
        """Return the result of a change, with the link that undoes it."""
        document: Document = (yield from self._documents()).outline(state)
        if deleted:
            document = {"done": True, **document}
        undo = self._remember_undo(state)
        if undo is not None:
            document["undo"] = (yield from self._references()).short(undo)
        return document

    def _remember_undo(self, state: State) -> str | None:
        """Keep the undo link of a resource, if it has one, and return it."""
        link = state.links.get("undo")
        undo = state.undo or (link.href if link else None)
        if undo is not None:
            _keep(self._undos, undo, None)
        return undo


def _changes_in(page: State) -> list[Any]:
    """:raises NotHyperapi: when it is no page of the feed of changes."""
    found = page.members.get("changes")
    if not isinstance(found, list):
        raise NotHyperapi(f"{page.uri} is not the feed of changes: give since as you got it.")
    return found


def _takes_uri(field: Field) -> bool:
    return field.type == "url" or field.name.endswith("_uri")


def _keep(kept: OrderedDict[str, Any], name: str, value: Any) -> None:
    """Remember a value, and forget the oldest above the bound."""
    kept[name] = value
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
