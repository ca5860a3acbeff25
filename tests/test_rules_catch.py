"""A further resource passes through every rule once it is declared, and its faults are caught.

Every rule has a planted fault that it catches: in a resource (:data:`CAUGHT_BY`), or in requests
and replies (:mod:`tests.wire_faults`).
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pydantic import MISSING, ConfigDict

from hyperapi import Settings, create_app, testing
from hyperapi.http.context import Context
from hyperapi.http.problems import NotFound, Problem, invalid
from hyperapi.http.wsgi_response import Response
from hyperapi.representations.resource import Resource
from hyperapi.resources import ROUTES
from hyperapi.storage.database import database
from hyperapi.testing.rules import RULES, AppWorld, Rule, violations
from hyperapi.testing.rules.rule import each_violation
from tests import databases, hidden_resource
from tests.bound_resources import METADATA
from tests.conftest import CHEAP_HASHING, NO_LIMITS, SECRET_KEY, end
from tests.further_extensions import BOUND_EXTENSION, NOTES_EXTENSION
from tests.hidden_resource import NOTES, Note
from tests.memos import Memo, MemoChanges, Memos, WholeMemo
from tests.wire_faults import FAULTS, WireFault
from tests.wire_faults import NOTES as NOTES_ROUTES

pytestmark = pytest.mark.only_on("sqlite")  # the memos are kept in memory


class ShowsAnothers(Memos):
    """GET, PATCH and DELETE reach every user's memos."""

    def visible(self, ctx: Context, memo: Memo) -> bool:
        return self.on_list(ctx, memo)

    def listed(self, ctx: Context) -> Iterable[Memo]:
        return [each for each in super().listed(ctx) if each.owner == ctx.principal.user]


class ListsAnothers(Memos):
    """The page has every user's memos."""

    def listed(self, ctx: Context) -> Iterable[Memo]:
        return [each for each in self.kept.values() if self.on_list(ctx, each)]


class ShowsOtherLists(Memos):
    """A token that is bound to one list sees the memos of all."""

    def on_list(self, ctx: Context, memo: Memo) -> bool:
        return True


class ListsOtherLists(Memos):
    """The page has the memos of all lists, whatever the token is bound to."""

    def listed(self, ctx: Context) -> Iterable[Memo]:
        return [each for each in self.kept.values() if each.owner == ctx.principal.user]


class TellsApart(Memos):
    """The 404 of another user's memo is not the one of a missing memo."""

    def missing(self, ctx: Context, key: str) -> NotFound:
        there = any(memo.key == key for memo in self.kept.values())
        return NotFound("It is another user's. Ask them.") if there else NotFound()


class TellsListsApart(Memos):
    """The 404 of a memo of another list is not the one of a missing memo."""

    def missing(self, ctx: Context, key: str) -> NotFound:
        mine = (ctx.principal.user, key) in self.kept
        return NotFound("It is on another list. Ask its owner.") if mine else NotFound()


class NoVary(Memos):
    """The reply does not say what it depends on."""

    def shown(self, ctx: Context, memo: Memo) -> Any:
        return Response(200, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])


class ByAnyCache(Memos):
    """The reply may be kept by shared caches."""

    def shown(self, ctx: Context, memo: Memo) -> Any:
        headers = [("Vary", "Accept, Authorization, Origin"), ("Cache-Control", "public")]
        return Response(200, [*headers, ("Content-Type", "application/json")])


class FormOfMore(Memos):
    """The form allows longer text than the body."""

    limits = {"text": {"max_length": 500}}  # noqa: RUF012


class Undocumented(Memos):
    """A member is not in the resource type."""

    def members(self, ctx: Context, memo: Memo) -> dict[str, Any]:
        return {**super().members(ctx, memo), "colour": "red"}


class ShowsAnId(Memos):
    """A member is an id of the database."""

    def members(self, ctx: Context, memo: Memo) -> dict[str, Any]:
        return {**super().members(ctx, memo), "owner_id": 1}


class Careless(MemoChanges):
    """A body that passes over what it does not know."""

    model_config = ConfigDict(extra="ignore")


class TakesAnything(Memos):
    """Unknown members are passed over."""

    changes = Careless


class SameVersion(Memos):
    """A change leaves the version as it was."""

    def after(self, memo: Memo, text: str) -> Memo:
        return Memo(memo.owner, memo.key, memo.list, text)


class DeletesAll(Memos):
    """DELETE deletes what others have, too."""

    def delete(self, memo: Memo) -> None:
        self.kept.clear()


class DeadLink(Memos):
    """A link leads to what is not there."""

    def links(self, ctx: Context, memo: Memo) -> dict[str, str | None]:
        return {**super().links(ctx, memo), "collection": self.all.uri(ctx) + "/nothing"}


class PartsOnPage(Memos):
    """An item of the page is not what a GET of it gives."""

    def on_page(self, ctx: Context, memo: Memo) -> Resource:
        item = self.represent(ctx, memo)
        item.members = {**item.members, "text": item.members["text"][:3]}
        return item


class TellsWhoseList(Memos):
    """A body that names another user's list is refused with another text than a missing one."""

    def list_named(self, ctx: Context, uri: str) -> str:
        key = ctx.uris.named_by(uri, "list")
        of = {memo.owner for memo in self.kept.values() if memo.list == key}
        if of - {ctx.principal.user}:
            raise invalid("/list_uri", "must not be the URI of another user's list")
        return super().list_named(ctx, uri)


class TakesOtherLists(Memos):
    """A body of a token of one list may name another one."""

    def list_named(self, ctx: Context, uri: str) -> str:
        key = ctx.uris.named_by(uri, "list")
        mine = any(
            memo.list == key for memo in self.kept.values() if memo.owner == ctx.principal.user
        )
        return key if key and mine else super().list_named(ctx, uri)


class DeletesOtherLists(Memos):
    """DELETE deletes the memos of all lists."""

    def delete(self, memo: Memo) -> None:
        for each in [one for one in self.kept if one[0] == memo.owner]:
            del self.kept[each]


class NoSentence(Memos):
    """The summary of an operation is no sentence."""

    def said(self, summary: str) -> str:
        return summary.rstrip(".")


class Unread(WholeMemo):
    """A memo, complete, without the members that cannot be changed."""

    read_only = frozenset()


class RefusesItsOwn(Memos):
    """A representation cannot be sent back."""

    whole = Unread


class ShowsBefore(Memos):
    """The reply to a change shows what was there before."""

    def changed(self, ctx: Context, before: Memo, memo: Memo) -> Resource:
        return self.represent(ctx, before)


class BadChoice(Memos):
    """A form offers a choice that is longer than the body takes."""

    limits = {"text": {"options": ("short", "x" * 60)}}  # noqa: RUF012


class SaysTheSame(Memos):
    """All operations have one summary."""

    def said(self, summary: str) -> str:
        return "Do it."


class Endless(MemoChanges):
    """Changes with a text of any length."""

    text: str | MISSING = MISSING


class TakesAnyLength(Memos):
    """A text has no bound."""

    changes = Endless


class Odd(Problem):
    """The memo is odd. It has no use."""

    name, status, title, advice = "odd-memo", 409, "The memo is odd", "The memo is odd."


class Useless(Memos):
    """A declared problem says nothing of what to do."""

    problems = (Odd,)


class RefusesAlways(Memos):
    """The operation of a form refuses each time, with a problem that it declares."""

    problems = (Odd,)

    def delete(self, memo: Memo) -> None:
        raise Odd


class Unexplained(Memos):
    """A relation of the type has no meaning."""

    sometimes = ("unheard-of",)


CAUGHT_BY: dict[type[Memos], str] = {
    SaysTheSame: "each_operation_has_a_summary_of_its_own",
    TakesAnyLength: "each_text_of_a_body_has_a_bound",
    Useless: "each_declared_problem_says_what_to_do",
    RefusesAlways: "forms_keep_their_promise",
    Unexplained: "each_declared_relation_has_a_meaning",
    ShowsAnothers: "another_users_resource_is_a_missing_one",
    ListsAnothers: "replies_show_nothing_of_another_user",
    ShowsOtherLists: "what_is_elsewhere_is_missing_for_a_bound_token",
    ListsOtherLists: "replies_to_a_bound_token_show_nothing_of_elsewhere",
    TellsApart: "another_users_resource_is_a_missing_one",
    TellsListsApart: "what_is_elsewhere_is_missing_for_a_bound_token",
    NoVary: "a_reply_says_what_it_depends_on",
    ByAnyCache: "what_belongs_to_a_user_is_kept_by_no_shared_cache",
    FormOfMore: "forms_keep_their_promise",
    Undocumented: "the_document_promises_every_reply",
    ShowsAnId: "a_representation_holds_no_database_id",
    TakesAnything: "a_bad_body_is_refused_and_nothing_stored",
    SameVersion: "a_tag_is_stale_after_the_change",
    DeletesAll: "a_change_leaves_other_users_alone",
    DeadLink: "links_lead_to_what_is_there",
    PartsOnPage: "what_a_page_holds_is_whole",
    TellsWhoseList: "a_body_knows_nothing_of_another_user",
    TakesOtherLists: "a_body_of_a_bound_token_cannot_name_elsewhere",
    DeletesOtherLists: "a_bound_token_works_here_and_changes_nothing_elsewhere",
    NoSentence: "the_document_names_the_operation",
    RefusesItsOwn: "a_whole_document_may_be_sent_back",
    ShowsBefore: "a_change_answers_what_a_get_shows",
    BadChoice: "every_choice_of_a_form_may_be_made",
}
"""By its fault: the rule that must catch a resource."""


Serve = Callable[[Memos], AppWorld]


@pytest.fixture(scope="module")
def serve(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serve]:
    """Make an application that serves some memos beside the API, and further resources."""
    folder = tmp_path_factory.mktemp("planted")
    made: list[Flask] = []
    with empty_database.fresh(folder) as url:
        chosen = {
            "HYPERAPI_INSTANCE": str(folder),
            "HYPERAPI_DATABASE_URL": url,
            "HYPERAPI_SECRET_KEYS": SECRET_KEY,
            **CHEAP_HASHING,
            **NO_LIMITS,
        }

        def serve(memos: Memos) -> AppWorld:
            further = [NOTES_EXTENSION, BOUND_EXTENSION]
            app = create_app(Settings.read(chosen), also=memos.routes, extensions=further)
            with app.app_context():
                for metadata in (Note.metadata, METADATA):
                    metadata.create_all(database.engine)
            made.append(app)
            return AppWorld(app)

        yield serve
        for app in made:
            end(app)


@pytest.fixture(scope="module")
def memos() -> Memos:
    """Memos without a fault."""
    return Memos()


@pytest.fixture(scope="module")
def world(serve: Serve, memos: Memos) -> AppWorld:
    """An application in which everything is right."""
    return serve(memos)


def names(memos: Memos) -> set[str]:
    return {route.name for route in memos.routes}


@pytest.fixture(params=["memos", "notes"])
def further(request: pytest.FixtureRequest, memos: Memos) -> set[str]:
    """The routes of a further resource: one kept in memory, or a plain owned resource."""
    return names(memos) if request.param == "memos" else {NOTES.item.name, NOTES.collection.name}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_further_resource_keeps(world: AppWorld, further: set[str], rule: Rule) -> None:
    assert violations(rule, world, further) == {}


def test_most_rules_apply_to_a_further_resource(world: AppWorld, further: set[str]) -> None:
    operations = [each for each in world.operations if each.route.name in further]
    assert len(operations) == (6 if NOTES.item.name not in further else 8)
    applying = [rule for rule in RULES if any(map(rule.applies, operations))]
    assert len(applying) > 0.7 * len(RULES)


def test_a_table_without_a_list_binding_cannot_be_imported() -> None:
    source = Path(hidden_resource.__file__).read_text()
    assert source.count("    list_binding = REFUSED\n") == 1
    forgetful = source.replace("    list_binding = REFUSED\n", "")
    with pytest.raises(TypeError, match="Note needs list_binding"):
        exec(compile(forgetful, "forgetful.py", "exec"), {"__name__": "tests.forgetful"})


@pytest.mark.parametrize("fault", CAUGHT_BY, ids=lambda fault: fault.__name__)
def test_a_fault_is_caught(serve: Serve, fault: type[Memos]) -> None:
    [rule] = [rule for rule in RULES if rule.name == CAUGHT_BY[fault]]
    planted = fault()
    assert any(each_violation(rule, serve(planted), names(planted)))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_on_the_wire_is_caught(world: AppWorld, fault: WireFault) -> None:
    [rule] = [rule for rule in RULES if rule.name == fault.rule]
    if fault.routes != NOTES_ROUTES:  # test_a_further_resource_keeps sees to those
        assert violations(rule, world, fault.routes) == {}, "the routes are right without it"
    with fault.planted(world):
        assert any(each_violation(rule, world, fault.routes))


def test_every_rule_has_a_fault_that_it_catches() -> None:
    planted = {*CAUGHT_BY.values(), *(fault.rule for fault in FAULTS)}
    assert sorted({rule.name for rule in RULES} - planted) == []
    assert sorted(planted - {rule.name for rule in RULES}) == []


# -- the rules know no resource


def strings(path: Path) -> Iterator[str]:
    """Every text in a module, but for docstrings."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    said = {id(each.value) for each in nodes if isinstance(each, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def resource_names() -> set[str]:
    """The names of resources, as routes and operations are called.

    Some of them have other meanings too: the root is where clients begin, and forms are called
    ``register``, ``revoke`` and ``undo``, and a member of bodies ``token``.
    """
    routes = {each.name for each in ROUTES if not each.document}
    operations = {each.name for route in ROUTES for each in route.operations.values()}
    rules = {each.rule for each in ROUTES if each.rule != "/"}
    return (routes | operations | rules) - {"root", "register", "revoke", "token", "undo"}


FILES = sorted(Path(testing.__file__).parent.rglob("*.py")) + [
    Path(__file__).with_name(name)
    for name in ("test_rules.py", "test_forms_promise.py", "test_representations.py")
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_rule_names_a_resource(path: Path) -> None:
    known = resource_names()
    named = [text for text in strings(path) if {text, *re.findall(r"[\w/-]+", text)} & known]
    assert named == []
    assert "hyperapi.resources" not in path.read_text()


def test_a_name_of_a_resource_would_be_found(tmp_path: Path) -> None:
    path = tmp_path / "rule.py"
    path.write_text('"""About tasks."""\nbodies = {"create_list": 1}\nuri = f"{root}/tasks"\n')
    assert [text for text in strings(path) if {text, text.strip("/")} & resource_names()]
