"""The service over a real socket: several processes, restarts, an end in peace, a quiet log."""

import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hyperapi_client import Client, NotFound

from tests.serving import COMMAND, PATIENCE, Served, free_port, read_environment, serve

PASSWORD = "correct horse battery"


@dataclass
class Person:
    """Somebody at the socket, who follows links."""

    http: httpx.Client
    name: str
    token: str = ""

    def ask(self, method: str, uri: str, **request: Any) -> httpx.Response:
        """Send a request, with the token if there is one."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.http.request(method, uri, headers=headers, **request)

    def get(self, uri: str) -> Any:
        """The document at a URI, which must be there."""
        response = self.ask("GET", uri)
        assert response.status_code == 200, response.text
        return response.json()

    def create(self, uri: str, **members: Any) -> Any:
        """The document of what was made, which must have worked."""
        response = self.ask("POST", uri, json=members)
        assert response.status_code == 201, response.text
        return response.json()

    @property
    def root(self) -> Any:
        """The root's document."""
        return self.get("/api/v1/")

    def join(self) -> "Person":
        """Register and sign in."""
        self.create(self.root["users_uri"], username=self.name, password=PASSWORD)
        signed_in = self.create(self.root["tokens_uri"], username=self.name, password=PASSWORD)
        self.token = signed_in["access_token"]
        return self


def client(served: Served) -> httpx.Client:
    """A client that shares no connection with others, and believes no proxy settings."""
    return httpx.Client(base_url=served.url, timeout=PATIENCE, trust_env=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with two workers, for the tests that leave it running."""
    with serve(tmp_path_factory.mktemp("served")) as server:
        yield server
    assert server.gone


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    """A client of that server."""
    with client(served) as http:
        yield http


def join(served: Served, http: httpx.Client, name: str) -> Client:
    """Somebody with a program of their own, registered and signed in."""
    somebody = Client(served.url, http=http)
    somebody.register(name, PASSWORD)
    somebody.login(name, PASSWORD)
    return somebody


def test_two_people_keep_their_tasks_apart_whichever_worker_answers(served: Served) -> None:
    with client(served) as http, client(served) as other:
        alice, bob = join(served, http, "alice"), join(served, other, "bob")
        groceries = alice.follow("lists").submit("create", title="Groceries")
        work = bob.follow("lists").submit("create", title="Work")
        tasks = groceries.follow("tasks")
        for number in range(7):
            priority = "high" if number != 3 else "low"
            tasks.submit("create", title=f"Thing {number}", priority=priority)
        work.follow("tasks").submit("create", title="Report")
        found = list(tasks.search(priority="high", limit=4).items())
        assert [task.title for task in found] == [f"Thing {n}" for n in (0, 1, 2, 4, 5, 6)]
        assert found[0].submit("complete").done
        found[1].submit("delete")
        counted = groceries.reload()
        assert (counted.open_count, counted.done_count) == (5, 1)
        for hers in (found[0], groceries, tasks):
            with pytest.raises(NotFound):
                bob.at(hers.uri)
        assert [task.title for task in bob.follow("tasks").items()] == ["Report"]


def test_a_token_is_good_at_every_worker_and_after_a_restart(tmp_path: Path) -> None:
    with serve(tmp_path) as server, client(server) as http:
        tokens = join(server, http, "alice").tokens
        assert tokens is not None
        for _ in range(10):  # each on a connection of its own, so at either worker
            with client(server) as fresh:
                assert "user" in Client(server.url, tokens.access, http=fresh).root().links
        assert server.stop() == 0
        assert server.gone
    with serve(tmp_path, workers="1") as server, client(server) as http:
        assert "user" in Client(server.url, tokens.access, http=http).root().links


def test_the_first_line_says_how_many_workers_serve_where(tmp_path: Path, served: Served) -> None:
    assert served.greeting == f"hyperapi: 2 workers on {served.url}/"
    with serve(tmp_path, workers="1") as one:
        assert one.greeting == f"hyperapi: 1 worker on {one.url}/"


def test_the_key_that_signs_tokens_is_readable_by_its_owner_alone(served: Served) -> None:
    key = served.folder / "instance" / "secret_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_text()) >= 32


def test_a_request_that_runs_when_the_server_is_told_to_stop_is_finished(tmp_path: Path) -> None:
    with serve(tmp_path, workers="1", hashing_memory="65536", hashing_rounds="8") as server:
        body = json.dumps({"username": "alice", "password": PASSWORD}).encode()
        with closing(_begin_to_post(server, "/api/v1/users", len(body))) as connection:
            connection.sendall(body)
            time.sleep(0.1)  # it hashes now, for some tenths of a second
            server.process.terminate()
            reply = _read_to_end(connection)
        assert reply.startswith(b"HTTP/1.1 201"), reply
        assert b'"username":"alice"' in reply
        assert server.process.wait(PATIENCE) == 0
        assert server.gone
    with closing(sqlite3.connect(tmp_path / "instance" / "hyperapi.db")) as database:
        assert database.execute("SELECT username FROM users").fetchall() == [("alice",)]


def _begin_to_post(server: Served, path: str, length: int) -> socket.socket:
    """A connection on which the server waits for the body of a request, and has said so."""
    connection = socket.create_connection(
        ("127.0.0.1", int(server.url.rpartition(":")[2])), PATIENCE
    )
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n".encode()
    )
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    return connection


def _read_to_end(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("chunked", [False, True], ids=["length told", "in chunks"])
def test_a_body_of_more_than_a_mebibyte_is_too_large(http: httpx.Client, chunked: bool) -> None:
    start, end = b'{"username": "', b'", "password": "x"}'
    piece = b"x" * 65536
    pieces = [start, *[piece] * 16, end]
    content = iter(pieces) if chunked else b"".join(pieces)
    response = http.post(
        "/api/v1/users", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 413
    assert response.headers["Content-Type"] == "application/problem+json"


def test_part_of_a_body_is_none(served: Served) -> None:
    whole = b"username=erin&password=correct+horse+battery&email=erin%40example.org"
    host, port = "127.0.0.1", int(served.url.rpartition(":")[2])
    with closing(socket.create_connection((host, port), PATIENCE)) as connection:
        connection.sendall(
            b"POST /api/v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            % len(whole)
            + whole.removesuffix(b"%40example.org")
        )
        connection.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 400 " in (_read_to_end(connection) or b"HTTP/1.1 400 not waited for")
    with client(served) as http:
        credentials = {"username": "erin", "password": PASSWORD}
        assert http.post("/api/v1/tokens", json=credentials).status_code == 401


@pytest.mark.parametrize("chunked", [False, True], ids=["length told", "in chunks"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/api/v1/lists", 401), ("POST", "/api/v1/nothing", 404), ("PUT", "/api/v1/", 405)],
)
def test_whoever_is_refused_may_ask_again_on_the_same_connection(
    served: Served, method: str, path: str, status: int, chunked: bool
) -> None:
    body = b"x" * 200_000
    with client(served) as http:
        for _ in range(5):
            content = iter([body, body]) if chunked else body
            refused = http.request(method, path, content=content)
            assert refused.status_code == status
            assert "Connection" not in refused.headers
            assert http.get("/api/v1/").status_code == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["length told", "in chunks"])
@pytest.mark.parametrize("excess", [1, 100_000, 4 * 1024 * 1024])
@pytest.mark.parametrize(("method", "status"), [("POST", 413), ("PUT", 405)])
def test_whoever_sent_too_much_may_ask_again_on_the_same_connection(
    served: Served, method: str, status: int, excess: int, chunked: bool
) -> None:
    body = b"x" * (1024 * 1024 + excess)
    with client(served) as http:
        for _ in range(5):
            content = iter([body[:70_000], body[70_000:]]) if chunked else body
            headers = {"Content-Type": "application/json"}
            path = "/api/v1/users"
            refused = http.request(method, path, content=content, headers=headers)
            assert refused.status_code == status
            assert "Connection" not in refused.headers
            assert http.get("/api/v1/").status_code == 200


def test_a_chunked_body_of_a_sensible_size_is_read_whole(http: httpx.Client) -> None:
    pieces = [b'{"username": "carol", "email": "', b"c" * 200, b'@example.org", ']
    pieces.append(f'"password": "{PASSWORD}"}}'.encode())
    response = http.post(
        "/api/v1/users", content=iter(pieces), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 201, response.text
    assert len(response.json()["email"]) == 212


def test_the_log_is_json_lines_and_holds_no_secret(served: Served, http: httpx.Client) -> None:
    dave = Person(http, "dave").join()
    dave.create(dave.root["lists_uri"], title="Zanzibar trip")
    dave.ask("GET", "/api/v1/tasks?q=Quagga")
    dave.ask("POST", dave.root["tokens_uri"], json={"username": "dave", "password": "Wrong-guess"})
    dave.ask("POST", dave.root["lists_uri"], content=b"{Zanzibar")
    logged = served.logged
    assert all({"time", "level", "event"} <= line.keys() for line in logged)
    requests = [line for line in logged if line["event"] == "request"]
    assert all(
        {"request_id", "method", "route", "status", "ms"} <= line.keys() for line in requests
    )
    signing_in = [line for line in requests if line["route"] == "/api/v1/tokens"]
    assert {201, 401} <= {line["status"] for line in signing_in}
    text = "\n".join(served.said)
    for secret in (PASSWORD, "Wrong-guess", dave.token, "hya_", "Zanzibar", "Quagga", "Bearer"):
        assert secret not in text


def test_a_reply_names_the_log_line_of_its_request(served: Served, http: httpx.Client) -> None:
    reply = http.get("/api/v1/no-such-thing")
    (line,) = [
        line for line in served.logged if line.get("request_id") == reply.headers["X-Request-Id"]
    ]
    assert (line["method"], line["status"], line["route"]) == ("GET", 404, None)


def test_a_wrong_setting_keeps_the_server_from_starting_and_is_named_in_one_line(
    tmp_path: Path,
) -> None:
    status, (line,) = _try_to_serve(tmp_path, port="http")
    assert status == 1
    assert line == "hyperapi: HYPERAPI_PORT must be a whole number from 0 to 65535"
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_keeps_the_server_from_starting_and_is_named_in_one_line(
    served: Served, tmp_path: Path
) -> None:
    port = served.url.rpartition(":")[2]
    status, (line,) = _try_to_serve(tmp_path, port=port)
    assert status == 1
    assert line.startswith(
        f"hyperapi: HYPERAPI_HOST and HYPERAPI_PORT cannot be 127.0.0.1 and {port}: "
    )


def test_the_service_listens_on_a_name(tmp_path: Path) -> None:
    with serve(tmp_path, workers="1", host="localhost") as server:
        assert httpx.get(f"{server.url}/api/v1/", trust_env=False).status_code == 200


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 64, "..", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_named_in_one_line(tmp_path: Path, host: str) -> None:
    status, (line,) = _try_to_serve(tmp_path, host=host)
    assert status == 1
    assert line.startswith(f"hyperapi: HYPERAPI_HOST and HYPERAPI_PORT cannot be {host} and ")


def test_settings_in_another_encoding_are_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("HYPERAPI_PORT=5001\n".encode("utf-16"))
    assert _try_to_serve(tmp_path) == (1, ["hyperapi: .env is in UTF-16: save it as UTF-8"])


def _try_to_serve(folder: Path, **settings: str) -> tuple[int, list[str]]:
    """The exit status of a server that should not start, and the lines that say why."""
    environment = read_environment(**{"port": str(free_port()), "workers": "1", **settings})
    ran = subprocess.run(
        [*COMMAND, "serve"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.stdout == b""
    return ran.returncode, ran.stderr.decode().splitlines()


def test_wrong_guesses_are_stopped_whatever_connection_and_worker_they_come_by(
    tmp_path: Path,
) -> None:
    with serve(tmp_path, sign_in_limit="5/hour", workers="2") as server:
        with client(server) as http:
            erin = Person(http, "erin").join()
        statuses = []
        for _ in range(30):  # a new connection, so a new port of the client's, for each
            with client(server) as http:
                statuses.append(_guess(http, "erin"))
        assert set(statuses) == {401, 429}
        assert statuses.count(401) <= 5 * 2 * 2  # of two workers, and two hours if one just ended
        with client(server) as http:
            assert _guess(http, "somebody.else") == 401
            assert erin.name == "erin"
            assert Person(http, "erin", erin.token).ask("GET", "/api/v1/").status_code == 200


def _guess(http: httpx.Client, name: str) -> int:
    wrong = {"username": name, "password": "a wrong guess"}
    response = http.post("/api/v1/tokens", json=wrong)
    if response.status_code == 429:
        assert 1 <= int(response.headers["Retry-After"]) <= 3600
    return response.status_code


def test_interrupting_the_terminal_ends_the_server_and_its_workers_at_once(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        os.killpg(server.process.pid, signal.SIGINT)  # as Ctrl-C does: the workers get it too
        assert server.process.wait(PATIENCE / 4) == 0
        assert server.gone
