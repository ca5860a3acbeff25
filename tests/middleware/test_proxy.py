"""Under which scheme, host and prefix the service is known."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hyperapi.settings import SettingsError
from tests.conftest import PASSWORD, MakeApp, Person, pointers, problem

pytestmark = pytest.mark.only_on("sqlite")  # no database plays a part in this

FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "todo.example.org",
    "X-Forwarded-Prefix": "/apps/todo",
    "X-Forwarded-For": "192.0.2.7",
}


def root_uri(app: Flask, path: str = "/api/v1/", **request: Any) -> str:
    """How the root names itself."""
    reply = app.test_client().get(path, **request)
    assert reply.status_code == 200, reply.text
    assert reply.json is not None
    return str(reply.json["uri"])


def guess(app: Flask, headers: dict[str, str], address: str = "127.0.0.1") -> TestResponse:
    """Try a wrong password from an address."""
    return app.test_client().post(
        "/api/v1/tokens",
        json={"username": "alice", "password": "wrong"},
        headers=headers,
        environ_overrides={"REMOTE_ADDR": address},
    )


# -- with nothing in front


@pytest.mark.parametrize(
    ("host", "uri"),
    [
        ("localhost", "http://localhost/api/v1/"),
        ("LocalHost", "http://localhost/api/v1/"),
        ("localhost:80", "http://localhost/api/v1/"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000/api/v1/"),
        ("[::1]:5000", "http://[::1]:5000/api/v1/"),
    ],
)
def test_uris_are_those_i_asked_by(shared_app: Flask, host: str, uri: str) -> None:
    assert root_uri(shared_app, headers={"Host": host}) == uri


def test_two_names_do_not_get_mixed_up(shared_app: Flask) -> None:
    for host in ("one.example", "two.example") * 2:
        assert root_uri(shared_app, headers={"Host": host}) == f"http://{host}/api/v1/"


def test_an_old_client_that_names_no_host_gets_the_servers_name_and_port(shared_app: Flask) -> None:
    server = {"HTTP_HOST": "", "SERVER_NAME": "10.0.0.1", "SERVER_PORT": "5000"}
    server["SERVER_PROTOCOL"] = "HTTP/1.0"
    assert root_uri(shared_app, environ_overrides=server) == "http://10.0.0.1:5000/api/v1/"


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
def test_a_newer_client_has_to_name_a_host(make_app: MakeApp, protocol: str) -> None:
    for settings in ({}, {"public_url": "https://todo.example.org"}):
        client = make_app(**settings).test_client()
        for path in ("/api/v1/", "/nothing", "/health/live"):
            nameless = {"HTTP_HOST": "", "SERVER_PROTOCOL": protocol}
            reply = client.get(path, environ_overrides=nameless)
            assert "Host" in problem(reply, 400, "bad-request")["detail"]


def test_anyone_could_send_forwarded_headers_so_they_mean_nothing(make_app: MakeApp) -> None:
    app = make_app(sign_in_address_limit="1/minute")
    assert root_uri(app, headers=FORWARDED) == "http://localhost/api/v1/"
    assert guess(app, FORWARDED).status_code == 401
    problem(guess(app, {"X-Forwarded-For": "192.0.2.8"}), 429, "too-many-requests")


MALFORMED = [
    "a b",
    "a..b",
    ".",
    "a" * 64 + ".example",
    "a" * 300,
    "<script>",
    "evil.example/path",
    "user@evil.example",
    "under_score.example",
    "localhost:",
    "localhost:port",
    "localhost:999999",
    "localhost:80:80",
    "[::1",
    "é.example",
    "a,b",
    "a\tb",
    "-\\-",
    ".".join(["a"] * 131),
    '"><script>alert(1)</script>',
    "localhost:99999",
    "localhost:-1",
    "localhost:0x50",
]


@pytest.mark.parametrize("host", MALFORMED)
def test_a_malformed_host_is_refused_and_not_repeated(shared_app: Flask, host: str) -> None:
    for path in ("/api/v1/", "/api/v1", "/nothing"):
        reply = shared_app.test_client().get(
            path, environ_overrides={"HTTP_HOST": host.encode().decode("latin-1")}
        )
        document = problem(reply, 400, "untrusted-host")
        assert document["type"].startswith("http://localhost/")
        assert host not in reply.text or len(host) == 1


# -- behind proxies


def test_behind_a_trusted_proxy_uris_are_those_of_the_outside(make_app: MakeApp) -> None:
    app = make_app(trusted_proxies="1")
    assert root_uri(app, headers=FORWARDED) == "https://todo.example.org/apps/todo/api/v1/"
    assert root_uri(app) == "http://localhost/api/v1/"
    led = app.test_client().get("/", headers=FORWARDED)
    assert led.headers["Location"] == "https://todo.example.org/apps/todo/api/v1/"


@pytest.mark.parametrize(
    ("prefix", "path"),
    [("todo", "/todo"), ("/todo/", "/todo"), ("//todo", "/todo"), ("/", ""), ("", ""),
     ("@evil.example", "/@evil.example"), (":99", "/:99")],
)  # fmt: skip
def test_a_prefix_is_a_path_however_it_is_written(
    make_app: MakeApp, prefix: str, path: str
) -> None:
    app = make_app(trusted_proxies="1", trusted_hosts="localhost")
    assert (
        root_uri(app, headers={"X-Forwarded-Prefix": prefix}) == f"http://localhost{path}/api/v1/"
    )


@pytest.mark.parametrize(
    ("hops", "chain", "host"),
    [
        ("1", "evil.example, outer.example", "outer.example"),
        ("2", "evil.example, outer.example, inner.example", "outer.example"),
        ("2", "inner.example", "localhost"),
    ],
)
def test_as_many_proxies_count_as_the_operator_says(
    make_app: MakeApp, hops: str, chain: str, host: str
) -> None:
    app = make_app(trusted_proxies=hops)
    assert root_uri(app, headers={"X-Forwarded-Host": chain}) == f"http://{host}/api/v1/"


def test_limits_are_by_the_address_that_the_proxy_saw(make_app: MakeApp) -> None:
    app = make_app(trusted_proxies="1", sign_in_address_limit="1/minute")
    assert guess(app, {"X-Forwarded-For": "192.0.2.7"}).status_code == 401
    assert guess(app, {"X-Forwarded-For": "192.0.2.8"}).status_code == 401
    spoofed = {"X-Forwarded-For": "203.0.113.1, 192.0.2.7"}
    problem(guess(app, spoofed), 429, "too-many-requests")


def test_a_proxy_that_passes_on_a_malformed_host_is_refused_too(make_app: MakeApp) -> None:
    client = make_app(trusted_proxies="1").test_client()
    reply = client.get("/api/v1/", headers={"X-Forwarded-Host": "evil.example/path"})
    problem(reply, 400, "untrusted-host")


MALFORMED_PREFIXES = [
    "/<script>alert(1)</script>",
    '/"onload="alert(1)',
    "/a b",
    "/a//b",
    "/a/../b",
    "/.",
    "/..",
    "/a%2fb",
    "/a?b",
    "/a#b",
    "/a\\b",
    "/{a}",
    "/\xe9",
    "/" + "a" * 200,
    "//evil.example/a//b",
]


@pytest.mark.parametrize("prefix", MALFORMED_PREFIXES)
def test_a_malformed_prefix_is_refused_and_not_repeated(make_app: MakeApp, prefix: str) -> None:
    client = make_app(trusted_proxies="1").test_client()
    for path in ("/api/v1/", "/api/v1", "/api/v1/docs", "/nothing"):
        reply = client.get(path, environ_overrides={"HTTP_X_FORWARDED_PREFIX": prefix})
        document = problem(reply, 400, "bad-request")
        assert document["type"].startswith("http://localhost/api/")
        assert "X-Forwarded-Prefix" in document["detail"]
        assert prefix not in reply.text


@pytest.mark.parametrize("scheme", ["javascript", "ftp", "https:", "ht tp", "<b>", "x" * 5000])
def test_a_malformed_scheme_is_refused_and_not_repeated(make_app: MakeApp, scheme: str) -> None:
    client = make_app(trusted_proxies="1").test_client()
    reply = client.get("/api/v1/", headers={"X-Forwarded-Proto": scheme})
    document = problem(reply, 400, "bad-request")
    assert "X-Forwarded-Proto" in document["detail"]
    assert document["type"].startswith("http://localhost/api/")
    assert scheme not in reply.text.replace("bad-request", "") or scheme in ("https:",)


def test_a_scheme_is_read_in_any_case(make_app: MakeApp) -> None:
    app = make_app(trusted_proxies="1")
    assert root_uri(app, headers={"X-Forwarded-Proto": "HTTPS"}).startswith("https://")


@pytest.mark.parametrize("address", ["unknown", "_hidden", "1.2.3", "1.2.3.4.5", "<b>", "::1]x"])
def test_what_is_no_address_is_refused(make_app: MakeApp, address: str) -> None:
    for settings in ({}, {"public_url": "https://todo.example.org"}):
        app = make_app(trusted_proxies="1", **settings)
        reply = guess(app, {"X-Forwarded-For": address})
        assert "X-Forwarded-For" in problem(reply, 400, "bad-request")["detail"]


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("192.0.2.7", "192.0.2.7:4711"),
        ("2001:db8::7", "[2001:db8::7]:4711"),
        ("2001:db8::7", "[2001:DB8::7]"),
    ],
)
def test_an_address_may_come_with_a_port(make_app: MakeApp, written: str, same: str) -> None:
    app = make_app(trusted_proxies="1", sign_in_address_limit="1/minute")
    assert guess(app, {"X-Forwarded-For": written}).status_code == 401
    problem(guess(app, {"X-Forwarded-For": same}), 429, "too-many-requests")


def test_a_prefix_with_characters_that_html_escapes_is_escaped_there(make_app: MakeApp) -> None:
    client = make_app(trusted_proxies="1").test_client()
    for path in ("/api/v1/docs", "/api/v1/", "/api/v1/rels/task", "/nothing"):
        headers = {"X-Forwarded-Prefix": "/a'&amp;b", "Accept": "text/html"}
        shown = client.get(path, headers=headers).text
        assert "/a&#x27;&amp;amp;b" in shown or "/a&#39;&amp;amp;b" in shown
        assert "/a'" not in shown, path


# -- trusted hosts


@pytest.mark.parametrize(
    "host", ["todo.example.org", "TODO.example.org:8080", "example.net", "a.b.example.net"]
)
def test_trusted_hosts_are_served(make_app: MakeApp, host: str) -> None:
    app = make_app(trusted_hosts="todo.example.org, .example.net")
    assert root_uri(app, headers={"Host": host}) == f"http://{host.lower()}/api/v1/"


@pytest.mark.parametrize(
    "host",
    ["localhost", "evil.example", "a.todo.example.org", "notexample.net", "127.0.0.1", *MALFORMED],
)
def test_other_hosts_are_not(make_app: MakeApp, host: str) -> None:
    client = make_app(trusted_hosts="todo.example.org, .example.net").test_client()
    for path in ("/api/v1/", "/nothing", "/health/live"):
        reply = client.get(path, environ_overrides={"HTTP_HOST": host.encode().decode("latin-1")})
        document = problem(reply, 400, "untrusted-host")
        assert document["type"].startswith("http://todo.example.org/")


def test_trusted_hosts_count_for_what_a_proxy_says_too(make_app: MakeApp) -> None:
    app = make_app(trusted_hosts="todo.example.org", trusted_proxies="1")
    assert root_uri(app, headers=FORWARDED).startswith("https://todo.example.org/")
    reply = app.test_client().get("/api/v1/", headers={"X-Forwarded-Host": "evil.example"})
    problem(reply, 400, "untrusted-host")


# -- a public URL


@pytest.mark.parametrize(
    "public_url",
    [
        "https://todo.example.org",
        "https://example.org/apps/todo",
        "https://example.org/apps/todo/",
        "http://example.org:8080/t",
        "https://[2001:db8::1]:8443",
    ],
)
def test_the_public_url_wins_over_everything(make_app: MakeApp, public_url: str) -> None:
    app = make_app(public_url=public_url, trusted_proxies="1")
    expected = public_url.rstrip("/") + "/api/v1/"
    assert root_uri(app) == expected
    assert root_uri(app, headers={"Host": "10.0.0.1:5000"}) == expected
    assert root_uri(app, headers=FORWARDED) == expected
    assert app.test_client().get("/").headers["Location"] == expected
    assert app.test_client().get("/api/v1").headers["Location"] == expected


@pytest.mark.parametrize(
    "public_url",
    [
        "example.org",
        "ftp://example.org",
        "https://",
        "https://under_score.example",
        "https://alice@example.org",
        "https://example.org/?a=b",
        "https://example.org/#there",
        "https://[::1",
        "https://example.org:99999",
        "https://example.org:0",
        "https://example.org/<b>",
        "https://example.org/a//b",
        "https://example.org/../a",
        "https://example.org/" + "a" * 201,
    ],
)
def test_a_public_url_that_no_uri_can_begin_with_is_refused_at_once(
    make_app: MakeApp, public_url: str
) -> None:
    with pytest.raises(SettingsError, match="HYPERAPI_PUBLIC_URL"):
        make_app(public_url=public_url)


def test_a_proxy_may_strip_the_prefix_or_pass_it_on(make_app: MakeApp) -> None:
    app = make_app(public_url="https://example.org/apps/todo")
    assert root_uri(app, "/apps/todo/api/v1/") == root_uri(app, "/api/v1/")
    problem(app.test_client().get("/apps/todos/api/v1/"), 404, "not-found")


def test_the_whole_story_works_below_a_prefix(make_app: MakeApp) -> None:
    """A proxy is played: it takes away the public scheme, host and prefix."""
    public = "https://example.org/apps/todo"

    class Proxied(Person):
        def ask(self, method: str, uri: str, **request: Any) -> TestResponse:
            if uri.startswith("/"):
                return super().ask(method, uri, **request)
            assert uri.startswith(f"{public}/")
            return super().ask(method, uri.removeprefix(public), **request)

    alice = Proxied(make_app(public_url=public).test_client())
    alice.create(alice.root["users_uri"], username="alice", password=PASSWORD)
    alice.name = "alice"
    alice.sign_in()
    groceries, chores = alice.make_list(), alice.make_list("Chores")
    for number in range(3):
        alice.make_task(groceries, f"Thing {number}")
    page = alice.get(groceries["tasks_uri"] + "?limit=2")
    [last] = alice.get(page["next_uri"])["tasks"]
    moved = alice.ask("PATCH", last["uri"], json={"list_uri": chores["uri"]})
    assert moved.json is not None
    assert moved.json["list_uri"] == chores["uri"]
    for list_uri in (
        chores["uri"].replace("/apps/todo", ""),
        chores["uri"].replace("https", "http"),
        chores["uri"].replace(public, "http://localhost"),
    ):
        assert pointers(alice.ask("PATCH", last["uri"], json={"list_uri": list_uri})) == [
            "/list_uri"
        ]
    links = alice.ask("GET", alice.root["uri"]).headers["Link"]
    assert links.count(f"<{public}/") == links.count("<")
    refused = alice.ask("GET", f"{public}/nothing")
    assert problem(refused, 404, "not-found")["type"].startswith(f"{public}/api/v1/problems/")
