"""The recorder of a sandbox: which requests it keeps, and what it never keeps."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hyperapi_client import Client

from hyperapi.sandbox.pytest_plugin import Sandbox
from hyperapi.sandbox.redaction import shown_body, shown_path
from tests.conftest import PASSWORD, MakeApp
from tests.sandbox.test_faults import connections, token_of


@pytest.fixture
def server(hyperapi: Sandbox) -> Sandbox:
    return hyperapi


@pytest.fixture
def ann(server: Sandbox) -> Client:
    ann = server.user("ann", PASSWORD)
    ann.root()
    server.forget_requests()
    return ann


def test_requests_are_recorded_in_order(server: Sandbox, ann: Client) -> None:
    groceries = ann.follow("lists").submit("create", title="Groceries")
    with connections() as http:
        http.get(f"{server.root}nowhere?q=a%20b")
        http.get(f"{server.root.partition('/api/')[0]}/health/live")
    found = server.requests()
    assert [(each["method"], each["route"], each["status"], each["user"]) for each in found] == [
        ("GET", "lists", 200, "ann"),
        ("POST", "lists", 201, "ann"),
        ("GET", None, 404, None),
    ]
    assert found[2]["path"] == "/api/v1/nowhere?q=a+b"
    assert all(each["ms"] > 0 and len(each["request_id"]) == 36 for each in found)
    assert found[1].keys() == {
        "method",
        "route",
        "path",
        "status",
        "user",
        "ms",
        "request_id",
    }
    groceries.follow("tasks")
    assert server.requests()[-1]["route"] == "tasks_of_list"
    server.forget_requests()
    assert server.requests() == []


def test_the_last_thousand_are_kept(server: Sandbox, ann: Client) -> None:
    with connections(headers=token_of(ann)) as http:
        for number in range(1002):
            http.get(f"{server.root}nowhere?{number}")
    found = server.requests()
    assert (len(found), found[0]["path"][-2:]) == (1000, "2=")


def test_a_request_names_the_fault_that_hit_it(server: Sandbox, ann: Client) -> None:
    lists = ann.follow("lists")
    server.forget_requests()
    server.faults.add(cut="after", method="POST")
    lists.submit("create", title="Groceries")
    server.faults.add(cut="before")
    lists.reload()
    server.faults.add(status=503, retry_after=0)
    lists.reload()
    found = [
        (each["method"], each["status"], each["user"], each.get("fault"))
        for each in server.requests()
    ]
    assert found == [
        ("POST", 201, "ann", {"cut": "after"}),
        ("POST", 201, "ann", None),
        ("GET", None, "ann", {"cut": "before"}),
        ("GET", 200, "ann", None),
        ("GET", 503, "ann", {"status": 503, "retry_after": 0}),
        ("GET", 200, "ann", None),
    ]


def test_a_request_has_its_lines_of_the_log(server: Sandbox, ann: Client) -> None:
    lists = ann.follow("lists")
    server.faults.add(disk="full", method="POST")
    lists.submit("create", title="Groceries")
    failed, repeated = server.requests()[-2:]
    (line,) = map(json.loads, failed["log"])
    assert line["event"] == "unavailable: database or disk is full"
    assert line["request_id"] == failed["request_id"]
    assert "log" not in repeated


def test_namespaces_have_recorders_of_their_own(server: Sandbox, ann: Client) -> None:
    with server.namespace() as inside:
        inside.record_bodies(10)
        inside.user("bob").follow("lists")
        assert {each["user"] for each in inside.requests()} == {None, "bob"}
        assert all(len(each["reply"]) == 10 for each in inside.requests()[1:])
        ann.follow("lists")
        (own,) = server.requests()
        assert (own["user"], own["path"], "reply" in own) == ("ann", "/api/v1/lists", False)


def test_bodies_are_recorded_when_asked_for(server: Sandbox, ann: Client) -> None:
    lists = ann.follow("lists")
    server.record_bodies(100)
    lists.submit("create", title="Groceries")
    request = server.requests()[-1]
    assert request["body"] == "title=Groceries"
    assert len(request["reply"]) == 100
    server.restore(server.beginning)
    server.client().root()
    assert "body" not in server.requests()[-1]
    too_much = server.http.patch(server.control.uri_of("requests"), json={"body_bytes": 10**6})
    assert too_much.status_code == 422


def test_no_secret_is_recorded(server: Sandbox, ann: Client) -> None:
    """Secrets that are sent or replied, in bodies, forms, headers and queries."""
    server.record_bodies(16 * 1024)
    client = server.client()
    client.login("ann", PASSWORD)
    derived = ann.derive(scope="tasks:read")
    tokens = [each.tokens for each in (ann, client)]
    secrets = {PASSWORD, derived.access_token}
    secrets |= {text for each in tokens if each for text in (each.access, each.refresh) if text}
    root = server.root
    with connections(headers=token_of(ann)) as http:
        feed = http.get(ann.root().uri_of("changes")).json()
        tickets = [
            value
            for link in feed.values()
            if isinstance(link, str)
            for name, value in parse_qsl(urlsplit(link).query)
            if name == "ticket"
        ]
        form = {"username": "ann", "password": "wrong pass word"}
        http.post(f"{root}tokens", data=form, headers={"Authorization": ""})
        http.post(f"{root}tokens", content=b'{"password": "wrong pass word"')
        http.get(f"{root}authorize?code_challenge=c0dechallenge&state=st4te&client_id=app")
        http.get(f"{root}recovery?token=rec0very")
        http.get(f"{root}changes?ticket=t1cket&limit=1")
        http.get(f"{root}changes?%74icket=t1cket", headers={"Cookie": "session=c00kie"})
    secrets |= {
        "wrong pass",
        "wrong+pass",
        "c0dechallenge",
        "st4te",
        "rec0very",
        "t1cket",
        "c00kie",
    }
    recorded = json.dumps(server.requests())
    assert "(hidden)" in recorded
    assert "limit=1" in recorded
    assert [secret for secret in {*secrets, *tickets} if secret in recorded] == []


@pytest.mark.parametrize(
    ("body", "kind", "shown"),
    [
        (b'{"a": [{"refresh_token": "x", "n": 1}]}', "application/json", "(hidden)"),
        (b'{"uri": "http://h/c?ticket=x&a=1"}', "application/hal+json", "ticket=(hidden)&a=1"),
        (b"code=x&a=1", "application/x-www-form-urlencoded", "code=(hidden)&a=1"),
        (b'{"password": "x"', "application/json", "(16 bytes that are no application/json)"),
        (b"<p>x</p>", "text/html; charset=utf-8", "(8 bytes of text/html)"),
        (b"", "", ""),
    ],
)
def test_bodies_without_their_secrets(body: bytes, kind: str, shown: str) -> None:
    text = shown_body(body, kind, 1000)
    assert shown in text
    assert "x" not in text.replace("text", "")


def test_a_path_may_have_any_bytes() -> None:
    assert shown_path("/a\xff\xc3\xa9", "q=%ff&token") == "/a\ufffdé?q=%EF%BF%BD&token=(hidden)"


def test_only_a_sandbox_has_faults_and_a_recorder(make_app: MakeApp) -> None:
    client = make_app().test_client()
    assert "control_uri" not in client.get("/api/v1/").get_json()
    for path in ("faults", "requests"):
        for method in ("GET", "POST", "DELETE", "PATCH"):
            assert client.open(f"/api/v1/control/{path}", method=method).status_code == 404


FAILING = """
import pytest

@pytest.fixture
def lists(make_user):
    return make_user("ann").follow("lists")

def test_before(lists):
    lists.submit("create", title="Of another test")

def test_that_fails(lists, faults):
    faults.add(disk="full", method="POST")
    lists.submit("create", title="Groceries")
    assert not lists.reload().on_page

def test_after(hyperapi):
    assert hyperapi.requests() == []

def test_without(): assert not "a sandbox"
"""


def test_the_report_of_a_failed_test_has_its_requests(tmp_path: Path) -> None:
    """With pytest-xdist, which has to carry the report to another process."""
    (tmp_path / "test_failing.py").write_text(FAILING)
    without = ["-p", "no:cacheprovider", "-p", "no:schemathesis"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *without, "-n", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "2 failed, 2 passed" in ran.stdout, ran.stdout + ran.stderr
    _, _, after = ran.stdout.partition("- Requests to the sandbox -")
    section = after.partition("____ test_without ____")[0].splitlines()
    requests = [line for line in section if line.startswith(("GET ", "POST "))]
    assert [line.split(" ms, ")[1].split(", ")[:2] for line in requests] == [
        ["root", "ann"],
        ["lists", "ann"],
        ["lists", "ann"],
        ["lists", "ann"],
        ["lists", "ann"],
    ]
    assert [line.split()[2] for line in requests] == ["200", "200", "503", "201", "200"]
    assert '    fault: {"disk": "full"}' in section
    assert "    log: warning: unavailable: database or disk is full" in section
    assert ran.stdout.count("- Requests to the sandbox -") == 1
