"""Memos: a resource that only tests serve, kept in memory. Its faults are planted by subclasses."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import MISSING, Field, create_model

from hyperapi.common.ids import new_id
from hyperapi.extension.collection import page_of, whole
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, TextOf
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import NotFound, Problem, invalid
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route
from hyperapi.querying.query_string import NoParameters, Query
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType
from hyperapi.resources.lists import READ, WRITE
from hyperapi.storage.models import TaskList
from hyperapi.storage.row_scope import find, selected_columns

Text = Annotated[str, TextOf(50, 1), Field(title="Text")]
Uri = Annotated[str, TextOf(2000), Field(title="List", json_schema_extra={"format": "uri"})]


class NewMemo(Body):
    """A memo to create."""

    text: Text
    list_uri: Uri


class WholeMemo(NewMemo):
    """A memo, complete."""

    read_only = frozenset({"version"})


class MemoChanges(Body):
    """Changes of a memo."""

    text: Text | MISSING = MISSING


class MemoMembers(Members):
    """A memo."""

    text: str
    list_uri: str
    version: int


@dataclass(frozen=True)
class Memo:
    """One memo: whose it is, on which list, and its text."""

    owner: str
    key: str
    list: str
    text: str
    version: int = 1


class Memos:
    """Memos and their routes. A method that a subclass overrides is a fault.

    :cvar changes: the body that PATCH takes.
    :cvar whole: the body that PUT takes.
    :cvar problems: those that DELETE declares.
    :cvar sometimes: the relations that only some memos have.
    :cvar limits: what forms say about fields, where it differs from the body.
    """

    changes: ClassVar[type[Body]] = MemoChanges
    whole: ClassVar[type[Body]] = WholeMemo
    problems: ClassVar[tuple[type[Problem], ...]] = ()
    sometimes: ClassVar[tuple[str, ...]] = ()
    limits: ClassVar[dict[str, dict[str, Any]]] = {}

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Memo] = {}
        self.name = f"memo{type(self).__name__.lower()}"
        self.item = Route(self.name, f"/{self.name}/<uuid:key>", refused_when_bound=False)
        self.all = Route(f"{self.name}s", f"/{self.name}s", refused_when_bound=False)
        members = create_model(f"{self.name}Members", __base__=MemoMembers)
        self.item.returns = ResourceType(
            self.name, members, links=("collection", "list"), sometimes=self.sometimes
        )
        self.all.returns = page_of(self.item.returns, f"{self.name}s", "memos")
        self._declare()
        self.forms = (
            FormSpec("edit", "Change", self.item, "PATCH", media=FORM, limits=self._limits),
            FormSpec("delete", "Delete", self.item, "DELETE"),
        )

    @property
    def routes(self) -> list[Route]:
        """The routes of the memos."""
        return [self.all, self.item]

    # -- what a fault may override

    def visible(self, ctx: Context, memo: Memo) -> bool:
        """May the principal see a memo?"""
        return memo.owner == ctx.principal.user and self.on_list(ctx, memo)

    def on_list(self, ctx: Context, memo: Memo) -> bool:
        """Is a memo on the list that the token is bound to, if it is?"""
        return ctx.principal.only_list in (None, memo.list)

    def missing(self, ctx: Context, key: str) -> NotFound:
        """The problem of a memo that is not there."""
        return NotFound()

    def listed(self, ctx: Context) -> Iterable[Memo]:
        """The memos on the page."""
        return [each for each in self.kept.values() if self.visible(ctx, each)]

    def on_page(self, ctx: Context, memo: Memo) -> Resource:
        """A memo as the page shows it."""
        return self.represent(ctx, memo)

    def shown(self, ctx: Context, memo: Memo) -> Any:
        """The reply to a GET of a memo."""
        return self.represent(ctx, memo)

    def members(self, ctx: Context, memo: Memo) -> dict[str, Any]:
        """The members of a memo."""
        list_uri = ctx.uris.uri("list", memo.list)
        return {"text": memo.text, "list_uri": list_uri, "version": memo.version}

    def links(self, ctx: Context, memo: Memo) -> dict[str, str | None]:
        """The links of a memo."""
        return {"collection": self.all.uri(ctx), "list": ctx.uris.uri("list", memo.list)}

    def after(self, memo: Memo, text: str) -> Memo:
        """A memo with another text."""
        return replace(memo, text=text, version=memo.version + 1)

    def changed(self, ctx: Context, before: Memo, memo: Memo) -> Resource:
        """The reply to a PATCH."""
        return self.represent(ctx, memo)

    def delete(self, memo: Memo) -> None:
        """Delete a memo."""
        del self.kept[memo.owner, memo.key]

    def said(self, summary: str) -> str:
        """The summary of an operation."""
        return summary

    # -- the rest

    def _limits(self, _ctx: Context, _values: Any) -> dict[str, dict[str, Any]]:
        return self.limits

    def found(self, ctx: Context, key: str) -> Memo:
        """The memo of a key that the principal may see."""
        for memo in self.kept.values():
            if memo.key == key and self.visible(ctx, memo):
                return memo
        raise self.missing(ctx, key)

    def represent(self, ctx: Context, memo: Memo) -> Resource:
        """A memo as a resource."""
        assert self.item.returns is not None
        uri, members = self.item.uri(ctx, memo.key), self.members(ctx, memo)
        return Resource(
            self.item.returns,
            uri,
            members,
            self.links(ctx, memo),
            forms=lambda: offers(ctx, self.forms, uri, members),
            version=memo.version,
        )

    def keep(self, ctx: Context, key: str, text: str, list_: str) -> Memo:
        """Keep a memo of the principal's."""
        memo = Memo(ctx.principal.user, key, list_, text)
        self.kept[memo.owner, key] = memo
        return memo

    def list_named(self, ctx: Context, uri: str) -> str:
        """The key of the principal's list at a URI."""
        key = ctx.uris.named_by(uri, "list")
        columns = selected_columns(TaskList, "key")
        if key is None or find(ctx.tx, TaskList, ctx.row_scope, key, columns) is None:
            raise invalid("/list_uri", "must be the URI of one of your lists")
        return key

    def _declare(self) -> None:
        def get_all(ctx: Context, _: Query) -> Resource:
            items = [self.on_page(ctx, each) for each in self.listed(ctx)]
            assert self.all.returns is not None
            return whole(ctx, self.all.returns, self.all.uri(ctx), items)

        def create(ctx: Context, new: NewMemo) -> Reply:
            on = self.list_named(ctx, new.list_uri)
            return created(self.represent(ctx, self.keep(ctx, new_id(), new.text, on)))

        def get(ctx: Context, key: str) -> Any:
            return self.shown(ctx, self.found(ctx, key))

        def put(ctx: Context, sent: Any, key: str) -> Reply:
            on, mine = self.list_named(ctx, sent.list_uri), (ctx.principal.user, key)
            if mine not in self.kept:
                return created(self.represent(ctx, self.keep(ctx, key, sent.text, on)))
            memo = self.found(ctx, key)
            if (memo.text, memo.list) != (sent.text, on):
                memo = self.kept[mine] = replace(self.after(memo, sent.text), list=on)
            return Reply(self.represent(ctx, memo))

        def change(ctx: Context, sent: Any, key: str) -> Resource:
            before = memo = self.found(ctx, key)
            if sent.text not in (MISSING, memo.text):
                memo = self.kept[memo.owner, key] = self.after(memo, sent.text)
            return self.changed(ctx, before, memo)

        def delete(ctx: Context, key: str) -> Reply:
            self.delete(self.found(ctx, key))
            return no_content()

        self.all.get(scope=READ, query=NoParameters())(self._view(get_all, f"Your {self.name}s."))
        self.all.post(scope=WRITE, body=NewMemo, media=(JSON, FORM))(
            self._view(create, f"Create a {self.name}.")
        )
        self.item.get(scope=READ)(self._view(get, f"A {self.name}."))
        self.item.put(scope=WRITE, body=self.whole, statuses=(200, 201))(
            self._view(put, f"Replace a {self.name}, or create one.")
        )
        self.item.patch(scope=WRITE, body=self.changes, media=(JSON, MERGE_PATCH, FORM))(
            self._view(change, f"Change a {self.name}.")
        )
        self.item.delete(scope=WRITE, problems=self.problems)(
            self._view(delete, f"Delete a {self.name}.")
        )

    def _view(self, view: Callable[..., Any], said: str) -> Callable[..., Any]:
        """A view under a name of its own in the OpenAPI document."""
        view.__name__, view.__doc__ = f"{view.__name__}_{self.name}", self.said(said)
        return view
