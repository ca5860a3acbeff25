"""Servers that are wrong, gone, or not to be trusted: what the command makes of them."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hyper.failures import BUSY, FAILED, NOT_ALLOWED, UNREACHABLE

from hyperapi.sandbox.pytest_plugin import sandbox
from tests.conftest import PASSWORD
from tests.hyper.conftest import Hyper
from tests.serving import free_port

CERTIFICATE = Path(__file__).with_name("expired.pem")


@contextmanager
def answering(
    status: int, *, certificate: Path | None = None, body: str = "", **headers: str
) -> Iterator[str]:
    """A server that gives everybody the same answer; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        scheme = "http" if certificate is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def login(stranger: Hyper, url: str) -> tuple[int, str]:
    """What comes of signing in somewhere."""
    said = stranger("login", url, "-u", "ann", "--password-stdin", said="correct horse")
    assert said.out == ""
    return said.status, " ".join(said.err.split())


def test_a_url_that_is_none(stranger: Hyper) -> None:
    status, said = login(stranger, "todo.example.org")
    assert status == UNREACHABLE
    assert "'todo.example.org' is not a URL: it must begin with https:// or http://." in said


def test_a_name_that_does_not_exist(stranger: Hyper) -> None:
    status, said = login(stranger, "https://nowhere.invalid/")
    assert status == UNREACHABLE
    assert "https://nowhere.invalid does not answer (" in said
    assert "Check the URL" in said


def test_a_server_that_is_not_there(stranger: Hyper) -> None:
    status, said = login(stranger, f"http://127.0.0.1:{free_port()}")
    assert status == UNREACHABLE
    assert "refused" in said
    assert "that the server is running." in said


def test_signing_out_where_the_server_is_gone_forgets_the_tokens_and_says_what_is_left(
    stranger: Hyper, home: Path
) -> None:
    with sandbox() as server:
        stranger("register", server.root, "-u", "ann", "--password-stdin", said=PASSWORD)
    said = stranger("logout")
    assert said.status == UNREACHABLE
    assert "Your tokens are deleted here, but the session continues at the server" in said.err
    assert not (home / "config" / "hyperapi" / "credentials.json").exists()
    assert stranger("ls").status == NOT_ALLOWED


def test_something_that_is_no_hyperapi(stranger: Hyper) -> None:
    with answering(200, Content_Type="text/html", body="<h1>It works!") as url:
        status, said = login(stranger, url)
    assert status == UNREACHABLE
    assert f"{url} is not a hyperapi server: it sent text/html. Check the URL." in said
    with answering(404, Content_Type="text/plain", body="Not found") as url:
        assert (
            "404 Not Found, and not as a hyperapi server does. Check the URL."
            in login(stranger, url)[1]
        )


def test_a_redirect_to_https(stranger: Hyper) -> None:
    with answering(301, Location="https://todo.example.org/api/v1/") as url:
        status, said = login(stranger, url)
    assert status == UNREACHABLE
    assert f"{url} leads to https://todo.example.org/api/v1/: use that URL instead." in said


def test_a_certificate_that_has_expired(stranger: Hyper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with answering(200, certificate=CERTIFICATE) as url:
        status, said = login(stranger, url)
    assert status == UNREACHABLE
    assert f"{url} cannot be trusted: certificate has expired. Nothing was sent." in said


def test_a_certificate_that_nobody_signed(stranger: Hyper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with answering(200, certificate=CERTIFICATE) as url:
        status, said = login(stranger, url)
    assert status == UNREACHABLE
    assert "cannot be trusted: self-signed certificate" in said


def test_a_server_that_asks_for_too_much_patience(stranger: Hyper) -> None:
    problem = '{"detail": "Try again in 3600 seconds."}'
    with answering(
        429, Content_Type="application/problem+json", Retry_After="3600", body=problem
    ) as url:
        status, said = login(stranger, url)
    assert status == BUSY
    assert said == "hyper: Try again in 3600 seconds. Try again in 3600 seconds."


def test_a_server_that_makes_a_mistake(stranger: Hyper) -> None:
    problem = '{"title": "Something went wrong on our side", "instance": "urn:uuid:1"}'
    with answering(500, Content_Type="application/problem+json", body=problem) as url:
        status, said = login(stranger, url)
    assert status == FAILED
    assert (
        "Something went wrong on our side The server's operator finds this in the log under urn"
        in said
    )


def test_passwords_in_the_clear_are_warned_of(
    stranger: Hyper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyper.sign_in._LOCAL", ())
    with answering(200, Content_Type="application/hal+json", body=ROOT) as url:
        said = login(stranger, url)[1]
    assert "is not encrypted: others can read your password on the way." in said


ROOT = """{"_links": {"self": {"href": "/"}, "users": {"href": "/u"}, "tokens": {"href": "/t"},
"lists": {"href": "/l"}}}"""
