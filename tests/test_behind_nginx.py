"""Real nginx before two nodes: one client's request takes nothing from the others."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest

from hyperapi.http.content_coding import CODINGS
from hyperapi.testing.replies import decoded
from tests import nginx
from tests.conftest import SECRET_KEY
from tests.ops.test_serving import Person
from tests.serving import PATIENCE, Served, free_port, read_environment, serve

MOST = 4000
UNHARMED = 20
TARGETS = {
    "a query on the way to a redirect": "/api/v1?" + "x" * 4200,
    "a query that a redirect repeats": "/api/v1?" + "x" * 1024,
    "an unknown parameter": "/api/v1/lists?" + "x" * 4200,
    "nearly 8 KiB": "/api/v1/lists?" + "x" * 8100,
    "more than 8 KiB": "/api/v1/lists?" + "x" * 8300,
    "more than nginx takes": "/api/v1/lists?" + "x" * 40_000,
    "a long path": "/" + "x" * 8300,
    "a long path on the way to a redirect": "/api/v1" + "/" * 4200,
}


@dataclass
class Site:
    """nginx, and the nodes behind it."""

    front: nginx.Server
    nodes: list[Served]

    def client(self) -> httpx.Client:
        """A client of the public URL."""
        return httpx.Client(
            base_url=self.front.url, verify=self.front.trust, timeout=PATIENCE, trust_env=False
        )

    def say(self, request: bytes) -> bytes:
        """Send bytes over TLS; the head of the reply, whole."""
        plain = socket.create_connection(("127.0.0.1", self.front.port), PATIENCE)
        with self.front.trust.wrap_socket(plain, server_hostname=nginx.NAME) as tls:
            return _head(tls, request)


def _head(connection: socket.socket | ssl.SSLSocket, request: bytes) -> bytes:
    connection.sendall(request)
    said = b""
    while b"\r\n\r\n" not in said and (piece := connection.recv(65536)):
        said += piece
    return said.partition(b"\r\n\r\n")[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """nginx before two nodes that share a database file."""
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        ports = [free_port(), free_port()]
        front = stack.enter_context(nginx.server(folder, ports))
        environment = read_environment(
            database_url=f"sqlite:///{folder}/hyperapi.db",
            secret_keys=SECRET_KEY,
            public_url=front.url,
            trusted_proxies="1",
            workers="1",
            request_limit="",
        )
        nodes = []
        for number, port in enumerate(ports):
            (folder / f"node{number}").mkdir()
            node = serve(folder / f"node{number}", environment=environment, port=port)
            nodes.append(stack.enter_context(node))
        yield Site(front, nodes)


@pytest.fixture(scope="module")
def alice(site: Site) -> Iterator[Person]:
    """Alice, signed in."""
    with site.client() as http:
        yield Person(http, "alice").join()


def assert_all_are_served(site: Site) -> None:
    """Everybody is served, and each node does its part."""
    before = [_answered(node) for node in site.nodes]
    for _ in range(UNHARMED):
        with site.client() as http:
            assert http.get("/api/v1/").status_code == 200
    for node, answered in zip(site.nodes, before, strict=True):
        assert _answered(node) - answered > UNHARMED // 4


def _answered(node: Served) -> int:
    return sum("route" in line for line in node.logged)


@pytest.mark.parametrize("target", TARGETS)
def test_a_long_target_takes_no_node_from_the_others(site: Site, target: str) -> None:
    for _ in range(3):  # there are two nodes
        head = site.say(f"GET {TARGETS[target]} HTTP/1.1\r\nHost: {nginx.NAME}\r\n\r\n".encode())
        status = int(head.split()[1])
        assert status in (307, 308, 400, 401, 404, 414)
        assert len(head) < MOST
    assert_all_are_served(site)


def test_a_target_of_more_than_8_kib_gets_a_problem_document(site: Site) -> None:
    with site.client() as http:
        for target in ("more than 8 KiB", "a long path"):
            refused = http.get(TARGETS[target])
            assert refused.status_code == 414
            assert refused.json()["type"] == f"{site.front.url}/api/v1/problems/target-too-long"
        by_nginx = http.get(TARGETS["more than nginx takes"])
        assert by_nginx.status_code == 414
        assert by_nginx.headers["Content-Type"] == "application/problem+json"
        assert by_nginx.json()["status"] == 414


@pytest.mark.parametrize("length", [105, 200])
def test_a_title_of_many_bytes_can_be_asked_for(site: Site, alice: Person, length: int) -> None:
    title = "漢" * length
    lists = alice.root["lists_uri"]
    made = alice.create(lists, title=title)
    alice.create(made["tasks_uri"], title=title)
    for uri in (lists, made["tasks_uri"], alice.root["tasks_uri"]):
        for sort in ("created_at", "title"):
            page = alice.get(f"{uri}?title={quote(title)}&limit=1&sort={sort}")
            assert quote(title) in page["last_uri"]
    assert_all_are_served(site)


def test_the_host_of_an_absolute_target_counts(site: Site) -> None:
    said = "GET https://evil.example/api/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert b"evil.example" not in site.say(said.encode())


def test_the_redirect_to_https_repeats_no_long_target(site: Site) -> None:
    http = f"http://127.0.0.1:{site.front.plain_port}"
    to = "https://127.0.0.1"
    for target, kept in {
        "/api/v1/lists?q=a": "/api/v1/lists?q=a",
        f"/api/v1/lists?q={'x' * 1022}": f"/api/v1/lists?q={'x' * 1022}",
        f"/api/v1/lists?q={'x' * 1023}": "/api/v1/lists",
        f"/{'x' * 1024}?q=a": "/",
        "/": "/",
    }.items():
        led = httpx.get(http + target, trust_env=False)
        assert (led.status_code, led.headers["Location"]) == (308, to + kept)


@pytest.mark.parametrize("coding", CODINGS)
def test_compressed_replies_and_their_tags_pass(site: Site, alice: Person, coding: str) -> None:
    made = alice.create(alice.root["lists_uri"], title="Long", description="long " * 400)
    with site.client() as http:
        headers = {"Authorization": f"Bearer {alice.token}"}
        plain = http.get(made["uri"], headers={**headers, "Accept-Encoding": "identity"})
        asked = {**headers, "Accept-Encoding": coding}
        with http.stream("GET", made["uri"], headers=asked) as reply:
            sent = b"".join(reply.iter_raw())
        assert reply.headers["Content-Encoding"] == coding
        assert reply.headers["Content-Length"] == str(len(sent))
        assert decoded(sent, coding) == plain.content
        tag = reply.headers["ETag"]
        assert tag == f'{plain.headers["ETag"][:-1]}-{coding}"'
        for known in (tag, plain.headers["ETag"]):
            again = http.get(made["uri"], headers={**asked, "If-None-Match": known})
            assert (again.status_code, again.headers["ETag"]) == (304, tag)
        changed = http.patch(
            made["uri"], headers={**asked, "If-Match": tag}, json={"description": "short"}
        )
        assert changed.status_code == 200
