"""``hyperapi-rules``: the rules on a service at a URL, which is known from outside alone."""

import json
import ssl
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import func, select
from werkzeug.wrappers import Request, Response

from hyperapi.__main__ import rules
from hyperapi.http.routes import Operation, RouteTable
from hyperapi.state import state_of
from hyperapi.storage.database import database
from hyperapi.storage.models import User
from hyperapi.testing import deployment, run_report, url_run
from hyperapi.testing.accounts import Accounts
from hyperapi.testing.command import main
from hyperapi.testing.deployment import Bounds, Deployment
from hyperapi.testing.rules import RULES
from hyperapi.testing.rules.rule import Rule, each_violation, name_of, violations
from hyperapi.testing.url_run import Outcome, Run
from hyperapi.testing.url_world import UrlWorld
from hyperapi.testing.world import CannotRun, NotChecked
from tests import databases
from tests.conftest import PASSWORD, Person, applications
from tests.faulty import Faulty, listening
from tests.serving import free_port

pytestmark = pytest.mark.only_on("sqlite")  # the service is the same on every database

BY_NAME = {rule.name: rule for rule in RULES}
PREFIX = "/todo"
OF_PROBLEMS = "each_declared_problem_says_what_to_do"
FEW = [
    BY_NAME[name]
    for name in (
        "a_stranger_needs_a_token",
        "each_page_is_read_in_the_order_of_an_index",
        "a_bad_token_does_no_harm_where_none_is_read",
        "a_representation_holds_no_database_id",
    )
]


@dataclass
class Site:
    """A service below a prefix, on a socket."""

    app: Flask
    faulty: Faulty
    url: str

    def users(self) -> int:
        """The number of its users."""
        with self.app.app_context(), database.engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(User)) or 0)

    def run(
        self,
        rules: list[Rule],
        *,
        told: Callable[[Outcome], None] = lambda _: None,
        given: tuple[tuple[str, str], ...] = (),
    ) -> Run:
        """What comes of some rules there."""
        return url_run.run(
            f"{self.url}{PREFIX}/",
            rules,
            Bounds(10_000, 0),
            trusted=ssl.create_default_context(),
            given=given,
            say=lambda _: None,
            told=told,
        )


@pytest.fixture(scope="module")
def site(
    empty_database: databases.Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One service for all tests."""
    port = free_port()
    with applications(empty_database, tmp_path_factory.mktemp("site")) as make:
        app = make(public_url=f"http://127.0.0.1:{port}{PREFIX}")
        faulty = Faulty(app, PREFIX)
        with listening(faulty, port) as url:
            yield Site(app, faulty, url)


@pytest.fixture(scope="module")
def connected(site: Site) -> Iterator[Deployment]:
    """A connection to it."""
    found = Deployment(site.url, Bounds(20_000, 0), ssl.create_default_context(), print)
    with closing(found):
        yield found


@pytest.fixture(scope="module")
def world(site: Site, connected: Deployment) -> UrlWorld:
    """The service from outside, with people."""
    service = url_run.discover(connected, f"{site.url}{PREFIX}/")
    return UrlWorld(connected, service.document)


# -- the same operations, from outside


def test_operations_are_the_declared_ones(site: Site, world: UrlWorld) -> None:
    declared = list(state_of(site.app)[RouteTable].operations())
    for rule in RULES:
        found = applying(rule, [*world.operations, *world.protocols])
        if rule.name != OF_PROBLEMS:  # a document has no other place for those that are implied
            assert found == applying(rule, declared), rule.name


def applying(rule: Rule, operations: Iterable[Operation]) -> list[str]:
    """The operations that a rule applies to, by name."""
    return sorted(name_of(each) for each in operations if rule.applies(each))


def test_only_what_needs_the_inside_is_not_checked() -> None:
    assert [rule.name for rule in RULES if rule.needs] == [
        "each_page_is_read_in_the_order_of_an_index"
    ]


# -- planted faults

KEYED = ("list",)
FAULTS: dict[str, tuple[str, tuple[str, ...], Callable[[Site], None]]] = {}


Fault = Callable[[Request, Response], None]


def planted(rule: str, *routes: str) -> Callable[[Fault], Fault]:
    """Make a fault of a change of replies, which a rule must find at these routes."""

    def add(fault: Fault) -> Fault:
        def plant(site: Site) -> None:
            site.faulty.fault = fault

        FAULTS[fault.__name__] = (rule, routes or KEYED, plant)
        return fault

    return add


def deaf(rule: str, header: str, *routes: str) -> None:
    """Make a fault of a request header that is not read."""

    def plant(site: Site) -> None:
        site.faulty.change = lambda environ: environ.pop(header, None)

    FAULTS[f"ignores_{header.lower()}"] = (rule, routes or KEYED, plant)


@planted("a_reply_says_what_it_depends_on")
def drops_vary(_: Request, reply: Response) -> None:
    del reply.headers["Vary"]


@planted("options_and_405_say_what_is_allowed")
def drops_allow(_: Request, reply: Response) -> None:
    reply.headers.pop("Allow", None)


@planted("links_are_absolute_and_their_relations_have_pages")
def drops_link(_: Request, reply: Response) -> None:
    reply.headers.pop("Link", None)


@planted("what_was_made_is_where_the_reply_says", "lists")
def drops_content_location(_: Request, reply: Response) -> None:
    reply.headers.pop("Content-Location", None)


@planted("each_coding_has_a_tag_and_each_tag_is_known", "lists")
def one_tag_for_all_codings(_: Request, reply: Response) -> None:
    if tag := reply.headers.get("ETag"):
        reply.headers["ETag"] = tag.replace("-gzip", "")


@planted("head_answers_like_get_without_the_body")
def head_without_length(request: Request, reply: Response) -> None:
    if request.method == "HEAD":
        reply.headers["Content-Length"] = "0"


@planted("a_stranger_needs_a_token")
def another_challenge(_: Request, reply: Response) -> None:
    if reply.status_code == 401:
        reply.headers["WWW-Authenticate"] = 'Basic realm="lists"'


@planted("a_representation_holds_no_database_id")
def shows_an_id(_: Request, reply: Response) -> None:
    document = reply.get_json(silent=True) if reply.is_json else None
    if isinstance(document, dict):
        reply.set_data(json.dumps({**document, "id": 7}))


MADE: set[str] = set()


@planted("another_users_resource_is_a_missing_one")
def tells_what_is_anothers(request: Request, reply: Response) -> None:
    if request.method == "POST" and reply.status_code == 201:
        MADE.add(reply.headers["Location"].removeprefix(request.host_url.rstrip("/") + PREFIX))
    if reply.status_code == 404 and request.path in MADE:
        reply.status_code = 403


deaf("a_change_of_what_was_not_seen_is_refused", "HTTP_IF_MATCH")
deaf("a_repeated_post_is_done_once", "HTTP_IDEMPOTENCY_KEY", "lists")
deaf("what_cannot_be_shown_is_not_done", "HTTP_ACCEPT")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_from_outside(site: Site, world: UrlWorld, name: str) -> None:
    rule, routes, plant = FAULTS[name]
    if name == "ignores_http_if_match":  # one rule is enough to see that they pass without faults
        assert violations(BY_NAME[rule], world, routes) == {}
    plant(site)
    world.spoilt = name == "tells_what_is_anothers"  # which must see what is made
    try:
        assert any(each_violation(BY_NAME[rule], world, routes))
    finally:
        site.faulty.fault = site.faulty.change = None


# -- the run


def test_a_run_passes_and_removes_its_accounts(site: Site, world: UrlWorld) -> None:
    before = site.users()
    run = site.run(FEW)
    results = [each.result for each in run.outcomes]
    assert results == ["passed", "not checked", "passed", "passed"]
    assert run.accounts == 6
    assert (site.users(), run.left) == (before, [])
    text = run_report.text(run)
    assert "3 rules passed, 0 failed, 1 not checked." in text
    assert "each_page_is_read_in_the_order_of_an_index: needs the plans of the database" in text
    assert "which only the operator can make" in text


def test_an_account_is_removed_after_its_password_changed(site: Site, world: UrlWorld) -> None:
    before, person = site.users(), world.stranger
    accounts = Accounts(world.uri(world.registration.route, person))
    world.deployment.heard, heard = accounts.note, world.deployment.heard
    try:
        person = world.newcomer()
        account = person.ask("GET", world.uri(world.registration.route, person)).json
        assert account is not None
        changes = {"password": f"{PASSWORD}!", "current_password": person.password}
        changed = person.ask("PATCH", account["users"][0]["uri"], json=changes)
        assert changed.status_code == 200, changed.text
        tokens = world.uri(world.grant.route, person)
        assert accounts.remove(world.deployment, tokens, lambda _: None) == []
    finally:
        world.deployment.heard = heard
    assert site.users() == before


def test_an_interrupted_run_removes_its_accounts(site: Site, world: UrlWorld) -> None:
    def interrupt(_: Outcome) -> None:
        raise KeyboardInterrupt

    before = site.users()
    run = site.run(FEW, told=interrupt)
    assert (site.users(), run.left, len(run.outcomes)) == (before, [], 1)
    [outcome] = run.outcomes
    assert outcome.result == "passed"  # it was finished
    outcome.finished = False
    assert outcome.result == "not checked"
    assert "It was interrupted." in run_report.text(run)


def test_a_failure_is_reported_with_a_command_and_without_secrets(site: Site) -> None:
    before, rule = site.users(), "a_representation_holds_no_database_id"

    def fault(request: Request, reply: Response) -> None:
        if request.path.endswith("/lists"):
            shows_an_id(request, reply)

    site.faulty.fault = fault
    try:
        run = site.run([BY_NAME[rule]])
    finally:
        site.faulty.fault = None
    text = run_report.text(run)
    assert f"GET /api/v1/lists breaks the rule {rule}." in text
    assert "curl -i -X GET" in text
    assert f"{site.url}{PREFIX}/api/v1/lists" in text
    assert "Authorization: Bearer (not shown)" in text
    assert "hya_" not in text.replace("hya_(not shown)", "")
    assert "< 200" in text
    told = json.loads(run_report.as_json(run))
    assert [each["result"] for each in told["rules"]] == ["failed"]
    suite = ElementTree.fromstring(run_report.as_junit(run))
    assert suite.get("failures") == "1"
    assert suite.find("testcase/failure") is not None
    assert site.users() == before


def test_given_accounts_are_emptied_and_stay(site: Site) -> None:
    people = [Person(site.app.test_client()).register(f"given-{number}") for number in range(4)]
    given = tuple((person.name, PASSWORD) for person in people)
    before = site.users()
    run = site.run([BY_NAME["each_member_that_is_sent_is_shown"]], given=given)
    assert [(each.result, each.not_checked) for each in run.outcomes] == [("passed", {})]
    assert (site.users(), run.left) == (before, [])
    keeper = people[0].sign_in()
    assert keeper.get(keeper.root["lists_uri"])["lists"] == []
    keeper.make_list()
    with pytest.raises(CannotRun, match="has data, which the rules would change"):
        site.run(FEW, given=given)
    assert len(keeper.get(keeper.root["lists_uri"])["lists"]) == 1


def test_given_accounts_are_never_changed(site: Site, connected: Deployment) -> None:
    people = [Person(site.app.test_client()).register(f"kept-{number}") for number in range(3)]
    service = url_run.discover(connected, f"{site.url}{PREFIX}/")
    world = UrlWorld(connected, service.document, [(each.name, PASSWORD) for each in people])
    for name, routes in (
        ("a_bad_token_does_no_harm_where_none_is_read", [world.registration.route.name]),
        ("forms_keep_their_promise", ["user"]),
    ):
        with pytest.raises(NotChecked, match="needs accounts of its own, and these were given"):
            list(each_violation(BY_NAME[name], world, routes))
    for person in people:
        person.sign_in()


# -- what is no hyperapi, and what cannot be reached


def cannot(url: str) -> str:
    """Why no rule can be checked at a URL."""
    bounds, trusted = Bounds(100, 0), ssl.create_default_context()
    quiet: Any = {"given": (), "say": lambda _: None, "told": lambda _: None}
    with pytest.raises(CannotRun) as reason:
        url_run.run(url, FEW, bounds, trusted=trusted, **quiet)
    return str(reason.value)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Response("<p>A page.</p>", mimetype="text/html"), "its reply is no JSON object"),
        (Response("[]", mimetype="application/json"), "its reply is no JSON object"),
        (Response('{"name": "x"}', mimetype="application/json"), "is no hyperapi: its root lacks"),
        (Response("", 404), "gives 404 NOT FOUND. Give the URL of the root"),
        (Response("", 302, {"Location": "http://127.0.0.2/"}), "leads to http://127.0.0.2/. Give"),
    ],
    ids=["a page", "an array", "another API", "nothing", "another host"],
)
def test_what_is_no_hyperapi(reply: Response, reason: str) -> None:
    with listening(reply) as url:
        assert reason in cannot(url)
        secure = url.replace("http:", "https:")
        if reply.status_code == 404:
            assert "does not answer over TLS" in cannot(secure)
    assert "cannot be reached" in cannot(url)


def test_a_service_must_be_at_the_address_that_it_names(site: Site) -> None:
    other = site.url.replace("127.0.0.1", "localhost")
    assert "the service says that it is at" in cannot(f"{other}{PREFIX}/api/v1/")


def test_a_limit_is_waited_for_and_the_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # is not for this machine
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    waits: list[float] = []
    said: list[str] = []

    def limited(environ: Any, start_response: Any) -> Any:
        busy = Response("", 429, {"Retry-After": "6"})
        return (Response("fine") if waits else busy)(environ, start_response)

    monkeypatch.setattr("hyperapi.testing.deployment.time.sleep", waits.append)
    with listening(limited) as url:
        found = Deployment(url, Bounds(10, 10), ssl.create_default_context(), said.append)
        client = deployment.UriClient(found)
        with closing(found):
            assert client.get(f"{url}/").text == "fine"
            assert waits == [7]
            assert said == ["The service limits requests. Waiting for 7 s."]
            waits.clear()
            with pytest.raises(NotChecked, match="longer than --max-wait permits"):
                client.get(f"{url}/")
            found.bounds = Bounds(found.sent, 0)
            with pytest.raises(NotChecked, match="Allow more with --max-requests"):
                client.get(f"{url}/")


# -- the command


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["https://todo.example.org/"], "Add --yes to consent."),
        (["todo.example.org"], "Write it with http:// or https://."),
        ([], "Give the URL of the root of a hyperapi, or --list."),
    ],
)
def test_it_says_what_is_missing(arguments: list[str], reason: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert reason in result.output


def test_the_command_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert project["project"]["scripts"]["hyperapi-rules"] == "hyperapi.__main__:rules"
    monkeypatch.setattr(sys, "argv", ["hyperapi-rules"])
    with pytest.raises(SystemExit) as ended:
        rules()
    assert ended.value.code == 2


def test_the_command_passes_on_a_service(site: Site, tmp_path: Path) -> None:
    before, written = site.users(), tmp_path / "report.json"
    only = ["--only", "a_stranger_needs_a_token", "--json", str(written)]
    ran = CliRunner().invoke(main, [f"{site.url}{PREFIX}/", *only])
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    assert lines[0] == f"{len(RULES) - 1} of {len(RULES)} rules can be checked from outside."
    assert "passed      a_stranger_needs_a_token (37 operations)" in lines
    assert json.loads(written.read_text())["not_removed"] == []
    assert site.users() == before
