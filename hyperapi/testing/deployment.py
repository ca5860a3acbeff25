"""A service at a URL, as a WSGI application that passes requests on over HTTP.

The test client of Werkzeug sends requests to it as to an application in this process. So the rules
send every request in one way.
"""

import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx
from werkzeug.test import Client, TestResponse

from hyperapi.http.responses import EVENT_STREAM
from hyperapi.testing.hosts import is_loopback
from hyperapi.testing.world import NotChecked

_NOT_PASSED_ON = ("HOST", "CONNECTION", "CONTENT_LENGTH", "CONTENT_TYPE", "TRANSFER_ENCODING")
_OF_ONE_CONNECTION = ("connection", "keep-alive", "transfer-encoding")
_BUSY = (429, 503)
_PATIENCE = 30.0


class Unreachable(NotChecked):
    """The service does not answer. The text says why, and what to do."""


@dataclass(frozen=True)
class Sent:
    """A request that was sent: its method, URI and body."""

    method: str
    uri: str
    content_type: str
    body: bytes


@dataclass
class Bounds:
    """How much a run may cost.

    :param requests: the most requests.
    :param wait: the most seconds to wait in all, where the service limits requests.
    """

    requests: int
    wait: float


class Deployment:
    """A service at a URL.

    :param origin: its scheme and host. No request goes to another one.
    :param trust: the certificates to trust.
    :param say: tells people about a wait.
    :ivar added: the names of headers that are added to replies on the way, in lower case. Replies
        are given without them.
    :ivar sent: the number of requests so far.
    :ivar heard: is told each request, with the status and headers of its reply.
    """

    def __init__(
        self, origin: str, bounds: Bounds, trust: ssl.SSLContext, say: Callable[[str], None]
    ) -> None:
        self.origin = origin
        self.bounds = bounds
        self.added = {*_OF_ONE_CONNECTION, "date", "server", "via"}
        self.sent = 0
        self.waited = 0.0
        self.heard: Callable[[Sent, int, Any], None] = lambda *_: None
        self._say = say
        proxies = not is_loopback(origin)  # of the environment
        self._client = httpx.Client(verify=trust, timeout=_PATIENCE, trust_env=proxies)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        uri = _uri_of(environ)
        origin, _ = _split(uri)
        assert origin == self.origin, f"{uri} is no URI of this service"
        body = environ["wsgi.input"].read()
        sent = Sent(environ["REQUEST_METHOD"], uri, environ.get("CONTENT_TYPE", ""), body)
        reply = self._patiently(sent, _headers(environ), chunked=_is_chunked(environ))
        self.heard(sent, reply.status, reply.headers)
        start_response(f"{reply.status} {reply.reason}", reply.headers)
        return [reply.body]

    def _patiently(self, sent: Sent, headers: list[tuple[str, str]], *, chunked: bool) -> "_Reply":
        """Send a request. Wait and send it again where the service limits requests."""
        while True:
            reply = self._send(sent, headers, chunked=chunked)
            after = reply.retry_after
            if reply.status not in _BUSY or not after.isdecimal():
                return reply
            self._wait(int(after) + 1, sent)

    def _wait(self, seconds: int, sent: Sent) -> None:
        if self.waited + seconds > self.bounds.wait:
            raise NotChecked(
                f"needs {sent.method} {urlsplit(sent.uri).path}, for which the service asks to "
                "wait longer than --max-wait permits"
            )
        self._say(f"The service limits requests. Waiting for {seconds} s.")
        self.waited += seconds
        time.sleep(seconds)

    def _send(self, sent: Sent, headers: list[tuple[str, str]], *, chunked: bool) -> "_Reply":
        if self.sent >= self.bounds.requests:
            raise NotChecked(
                f"needs more than {self.bounds.requests} requests. Allow more with --max-requests"
            )
        self.sent += 1
        content = iter([sent.body]) if chunked else sent.body or None
        request = httpx.Request(sent.method, sent.uri, headers=headers, content=content)
        try:
            return self._received(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise Unreachable(_explained(self.origin, error)) from None

    def _received(self, request: httpx.Request) -> "_Reply":
        reply = self._client.send(request, stream=True)
        try:
            streams = reply.headers.get("content-type", "").startswith(EVENT_STREAM)
            body = b"" if streams else b"".join(reply.iter_raw())
        finally:
            reply.close()
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in reply.headers.raw
            if name.decode("latin-1").lower() not in self.added
        ]
        return _Reply(reply.status_code, reply.reason_phrase, headers, body)


@dataclass(frozen=True)
class _Reply:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def retry_after(self) -> str:
        return next((value for name, value in self.headers if name.lower() == "retry-after"), "")


class UriClient(Client):
    """A test client whose requests go to absolute URIs."""

    def open(self, *args: Any, **request: Any) -> TestResponse:
        """Send a request to the URI in the first argument."""
        origin, target = _split(args[0])
        return super().open(target, *args[1:], base_url=origin, **request)


def _split(uri: str) -> tuple[str, str]:
    """The origin of an absolute URI, and the rest."""
    parts = urlsplit(uri)
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin, uri.removeprefix(origin)


def _uri_of(environ: WSGIEnvironment) -> str:
    path, _, _ = environ["RAW_URI"].partition("?")
    query = environ["QUERY_STRING"]
    origin = f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"
    return f"{origin}{path}?{query}" if query else origin + path


def _headers(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    """The headers of a request."""
    names = (name for name in environ if name.startswith("HTTP_"))
    found = [
        (name[5:].replace("_", "-").title(), str(environ[name]))
        for name in names
        if name[5:] not in _NOT_PASSED_ON
    ]
    content_type = environ.get("CONTENT_TYPE")
    return [*found, *([("Content-Type", content_type)] if content_type else [])]


def _is_chunked(environ: WSGIEnvironment) -> bool:
    return environ.get("HTTP_TRANSFER_ENCODING") == "chunked"


def _explained(origin: str, error: Exception) -> str:
    """What keeps a service from being reached, and what to do."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            f"The certificate of {origin} cannot be verified ({text}). Name the certificate of its "
            "authority with --cacert FILE."
        )
    if "SSL" in text.upper():
        return f"{origin} does not answer over TLS ({text}). Check the scheme and the port."
    return f"{origin} cannot be reached ({text or type(error).__name__}). Check the URL."
