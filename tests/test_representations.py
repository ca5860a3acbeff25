"""What every representation keeps to across resources: found by following links from the root."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import uritemplate

from hyperapi.http.routes import PREFIX
from hyperapi.testing.crawling import HAL, HAL_FORMS, HTML, JSON, ROOT, crawl
from hyperapi.testing.declared import keyed, owned
from hyperapi.testing.rules import AppWorld
from hyperapi.testing.world import Somebody
from tests import databases
from tests.conftest import applications, problem
from tests.scopes import READ

pytestmark = pytest.mark.only_on("sqlite")  # shapes know of no database
OFFERED = [JSON, HTML, HAL, HAL_FORMS]


@pytest.fixture(scope="module")
def world(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppWorld]:
    """An application on which Alice has one of everything, twice."""
    with applications(empty_database, tmp_path_factory.mktemp("shapes")) as make:
        yield AppWorld(make())


def get(who: Somebody, uri: str, shape: str = JSON) -> Any:
    """The document at a URI, which must be there."""
    reply = who.ask("GET", uri, headers={"Accept": shape})
    assert reply.status_code == 200, reply.text
    return reply.json


def test_every_shape_of_a_resource_leads_to_the_same_places(world: AppWorld) -> None:
    found = crawl(world.alice)
    assert len(found.documents) > 5
    for uri in found.documents:
        plain, hal = ({*found.links[uri, shape]} for shape in (JSON, HAL))
        of_itself = hal_links(get(world.alice, uri, HAL))
        assert {each for each in plain if each[0] != "describedby"} == of_itself
        assert found.links[uri, HAL_FORMS] == hal
        named = {target for relation, target in found.links[uri, HTML] if relation}
        assert named <= {target for _, target in hal}
        to_show = {each for each in of_itself if each[0] not in ("self", "first", "last")}
        shown = {target for _, target in found.links[uri, HTML]}
        assert {target for _, target in to_show} <= shown


def hal_links(document: Any) -> set[tuple[str, str]]:
    return {
        (relation, link["href"])
        for relation, link in document["_links"].items()
        if not link.get("templated")
    }


def test_links_are_objects_that_lead_somewhere(world: AppWorld) -> None:
    for document in crawl(world.alice).resources():
        for relation, link in document["_links"].items():
            assert isinstance(link, dict), relation
            assert set(link) <= {"href", "templated"}, relation
            assert link["href"].startswith(ROOT) or relation == "self", relation
            assert ("{" in link["href"]) == (link.get("templated") is True), relation
            assert uritemplate.URITemplate(link["href"]).expand(), relation


def test_i_can_choose_ids_by_the_templates_of_the_root(world: AppWorld) -> None:
    root, tried = get(world.alice, ROOT, HAL), 0
    for link in root["_links"].values():
        if "{uuid}" in link["href"]:
            uri = uritemplate.expand(link["href"], uuid=str(uuid4()))
            put = world.operation_at(uri, "PUT")
            made = world.ask(world.alice, put, uri, headers={"Accept": HAL})
            assert (made.status_code, made.headers["Location"]) == (201, uri)
            assert made.headers["Content-Location"] == uri
            assert made.json == get(world.alice, uri, HAL)
            tried += 1
    assert tried >= 2


def test_everything_that_belongs_to_a_user_can_be_reached_from_the_root(world: AppWorld) -> None:
    found = crawl(world.alice)
    for operation in world.every(lambda each: owned(each) and each.method == "GET"):
        uri = world.uri(operation.route, world.alice)
        pages = [uri, *(document["_links"]["self"]["href"] for document in found.resources())]
        assert uri in pages[1:], operation.name


def test_a_problem_is_one_whatever_was_to_be_accepted(world: AppWorld) -> None:
    for accept in (*sorted({*OFFERED} - {HTML}), "image/png", ""):
        missing = world.alice.ask("GET", f"{PREFIX}/nothing", headers={"Accept": accept})
        problem(missing, 404, "not-found")


def test_one_tag_never_stands_for_two_contents(world: AppWorld, clock: Callable[..., None]) -> None:
    alice = world.join()
    readers = [alice, world.elsewhere(alice, scope=READ), world.bound(alice)]
    seen: dict[tuple[str, str, str], bytes] = {}

    def look_around() -> None:
        for who in readers:
            for uri in crawl(who).documents:
                for shape in OFFERED:
                    reply = who.ask("GET", uri, headers={"Accept": shape})
                    if "ETag" in reply.headers:
                        tag = (uri, shape, reply.headers["ETag"])
                        assert seen.setdefault(tag, reply.data) == reply.data, tag

    look_around()
    for operation in world.every(lambda each: each.method == "PATCH" and keyed(each)):
        assert world.ask(alice, operation).status_code == 200
        if owned(operation):
            look_around()
    clock(timedelta(minutes=30))  # which is too late to delete the account
    look_around()
    assert len(seen) > 100
