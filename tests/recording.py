"""A service on a real socket that remembers what it was asked, and which URIs it gave away."""

import gzip
import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import uritemplate
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROOT = "/api/v1/"
QUERY = re.compile(r"\{\?([^}]*)\}$")


@dataclass
class Given:
    """The URIs that a client was given so far.

    :param forms: targets of forms that ask, and the names of their fields.
    """

    uris: set[str] = field(default_factory=set)
    templates: set[str] = field(default_factory=set)
    forms: dict[str, set[str]] = field(default_factory=dict)

    def covers(self, uri: str) -> bool:
        """Was it given away, or made from a template or a form as these say?"""
        return (
            uri in self.uris
            or any(expands_to(template, uri) for template in self.templates)
            or any(asks(uri, target, names) for target, names in self.forms.items())
        )

    def learn(self, value: Any, name: str = "") -> None:
        """Take up all that a document holds."""
        if isinstance(value, dict):
            if isinstance(value.get("href"), str):
                (self.templates if value.get("templated") else self.uris).add(value["href"])
            if isinstance(value.get("target"), str):
                names = {each["name"] for each in value["properties"]}
                (self.forms if value["method"] == "GET" else {})[value["target"]] = names
                self.uris.add(value["target"])
            for inner, found in value.items():
                self.learn(found, inner)
        elif isinstance(value, list):
            for found in value:
                self.learn(found, name)
        elif isinstance(value, str) and (name == "uri" or name.endswith("_uri")):
            self.uris.add(value)
        elif isinstance(value, str) and name.endswith("_uri_template"):
            self.templates.add(value)

    def learn_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Take up where headers lead."""
        for name, value in headers:
            if name in ("Location", "Content-Location"):
                self.uris.add(value)
            elif name == "Link":
                self.uris |= set(re.findall(r"<([^>]*)>", value))


def expands_to(template: str, uri: str) -> bool:
    """Can a template (RFC 6570) be expanded to this URI?"""
    query = QUERY.search(template)
    if query:
        return asks(uri, template[: query.start()], uritemplate.variables(template))
    pattern = "[^/?#]+".join(re.escape(part) for part in re.split(r"\{\w+\}", template))
    return re.fullmatch(pattern, uri) is not None


def asks(uri: str, target: str, names: Iterable[str]) -> bool:
    """Is this a URI with no other parameters than those named?"""
    path, _, query = uri.partition("?")
    return path == target and {name for name, _ in parse_qsl(query)} <= set(names)


@dataclass
class Recorder:
    """A WSGI application around another: it remembers.

    :param asked: methods and URIs, in their order.
    :param made_up: those of them that the service had not given away before.
    """

    app: Flask
    base: str = ""
    given: Given = field(default_factory=Given)
    asked: list[tuple[str, str]] = field(default_factory=list)
    made_up: list[tuple[str, str]] = field(default_factory=list)

    @property
    def root(self) -> str:
        """The one URI that a client knows."""
        return self.base + ROOT

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        asked = (environ["REQUEST_METHOD"], self.base + environ["REQUEST_URI"])
        self.asked.append(asked)
        if not self.given.covers(asked[1]):
            self.made_up.append(asked)
        headers: list[tuple[str, str]] = []

        def started(status: str, found: list[tuple[str, str]], error: Any = None) -> Any:
            headers.extend(found)
            return start_response(status, found, error)

        body = b"".join(self.app.wsgi_app(environ, started))
        self.given.learn_headers(headers)
        if "json" in dict(headers).get("Content-Type", ""):
            self.given.learn(json.loads(decoded(body, dict(headers).get("Content-Encoding"))))
        return [body]


def decoded(body: bytes, coding: str | None) -> bytes:
    """The body of a reply without its coding."""
    if coding == "gzip":
        return gzip.decompress(body)
    return zstd.decompress(body) if coding == "zstd" else body


@contextmanager
def recorded(app: Flask) -> Iterator[Recorder]:
    """``app`` on a port of this machine, in a thread, remembering."""
    recorder = Recorder(app)
    server = make_server("127.0.0.1", 0, recorder, threaded=True, request_handler=_Quiet)
    recorder.base = f"http://127.0.0.1:{server.server_port}"
    recorder.given.uris.add(recorder.root)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        """Say nothing of each request."""
