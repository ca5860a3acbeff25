"""What names mean: every relation and every type of problem has a page, and data about it."""

import ast
import inspect
import pkgutil
import re
from html import unescape
from importlib import import_module
from typing import Any

import pytest

import hyperapi
from hyperapi.http.problems import Problem, all_problems
from hyperapi.http.routes import RouteTable
from hyperapi.representations.relations import IANA_RELATIONS
from hyperapi.resources import ROUTES
from hyperapi.testing.crawling import HAL, HAL_FORMS, HTML, JSON, ROOT, crawl
from tests.conftest import Person, problem

RELATIONS = RouteTable(ROUTES).relations
MEANINGS = {**IANA_RELATIONS, **RELATIONS}
PROBLEMS = {kind.name: kind.meaning() for kind in RouteTable(ROUTES).problems}
PAGES = [f"rels/{name}" for name in MEANINGS] + [f"problems/{name}" for name in PROBLEMS]

pytestmark = pytest.mark.only_on("sqlite")  # what names mean is in no database
every_page = pytest.mark.parametrize("page", PAGES)


def meaning_of(page: str) -> str:
    kind, _, name = page.partition("/")
    return {"rels": MEANINGS, "problems": PROBLEMS}[kind][name]


@every_page
def test_a_program_reads_what_a_name_means(stranger: Person, page: str) -> None:
    reply = stranger.ask("GET", ROOT + page, headers={"Accept": JSON})
    assert (reply.status_code, reply.content_type) == (200, JSON)
    assert reply.json is not None
    assert reply.json["uri"] == ROOT + page
    assert reply.json["name"] == page.partition("/")[2]
    assert reply.json["meaning"] == meaning_of(page)
    assert reply.json["meaning"].endswith((".", "`", "."))


@every_page
def test_a_person_reads_the_same_on_a_page(stranger: Person, page: str) -> None:
    reply = stranger.ask("GET", ROOT + page, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (reply.status_code, reply.content_type) == (200, "text/html; charset=utf-8")
    shown = unescape(re.sub(r"</?code>", "`", reply.text))
    assert meaning_of(page) in shown
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


@every_page
def test_everybody_gets_it_and_caches_keep_it(stranger: Person, page: str) -> None:
    stranger.token = "hya_of-long-ago"
    for accept in (None, JSON, HTML, HAL, HAL_FORMS, "image/png", "", "*/*;q=0"):
        headers = {} if accept is None else {"Accept": accept}
        reply = stranger.ask("GET", ROOT + page, headers=headers)
        assert reply.status_code == 200, accept
        assert reply.content_type == (JSON if accept == JSON else "text/html; charset=utf-8")
        assert reply.headers.getlist("Vary") == ["Accept, Accept-Encoding, Origin"]
        assert reply.headers["Cache-Control"] == "public, max-age=86400"


def test_there_is_a_page_for_every_relation_that_any_link_has(alice: Person) -> None:
    groceries = alice.make_list()
    for number in range(3):
        alice.make_task(groceries, f"Thing {number}")
    found = crawl(alice)
    middle = alice.get(groceries["tasks_uri"] + "?limit=1")["next_uri"]
    found.links |= crawl(alice, middle).links
    relations = found.relations() - {"describedby", ""}
    relations |= {relation for document in found.resources() for relation in document["_links"]}
    assert {"next", "prev", "first", "last", "search", "self"} <= relations
    assert relations <= MEANINGS.keys()


def test_relations_of_ours_are_uris_in_headers_and_others_are_not(alice: Person) -> None:
    alice.make_task(alice.make_list())
    for (_, shape), links in crawl(alice).links.items():
        if shape == JSON:
            uris = {target for relation, target in links if relation == "describedby"}
            names = {relation for relation, _ in links if relation != "describedby"}
            assert uris == {f"{ROOT}rels/{name}" for name in names & RELATIONS.keys()}


def test_there_is_a_page_for_every_problem_that_is_raised_anywhere() -> None:
    kinds = {kind for kind in raised() if isinstance(kind, type) and issubclass(kind, Problem)}
    assert len(kinds) > 10
    assert {kind.__name__ for kind in kinds if "name" not in vars(kind)} == set()
    assert kinds <= set(all_problems())


def raised() -> set[Any]:
    """What the service raises, or makes to be raised, by the names in its source."""
    found = set()
    for module in pkgutil.walk_packages(hyperapi.__path__, "hyperapi."):
        names = vars(import_module(module.name))
        tree = ast.parse(inspect.getsource(import_module(module.name)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found.add(names.get(node.func.id))
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
                found.add(names.get(node.exc.id))
    return found - {None}


@pytest.mark.parametrize("page", ["rels/nonsense", "problems/nonsense", "rels/", "rels/Next"])
def test_there_is_no_page_for_what_is_not_used(stranger: Person, page: str) -> None:
    problem(stranger.ask("GET", ROOT + page), 404, "not-found")


def test_the_meaning_of_next_tells_of_changes(stranger: Person) -> None:
    told = stranger.get(f"{ROOT}rels/next", headers={"Accept": JSON})["meaning"]
    assert "changes" in told
    assert "always present" in told
