"""A later version of the API: the real application with one more resource, and with members, links,
forms and types of changes in its replies that nothing of today knows."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.serving import make_server

from hyperapi.app import create_app
from hyperapi.http.context import Context
from hyperapi.http.routes import Route
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType
from hyperapi.resources.lists import READ
from hyperapi.settings import Settings

NOTES = Route("notes", "/notes", refused_when_bound=True)


class NotesMembers(Members):
    """A resource of a type that nothing of today knows."""

    text: str


NOTES.returns = NOTES_TYPE = ResourceType("Notes", NotesMembers)


@NOTES.get(scope=READ)
def get_notes(ctx: Context) -> Resource:
    """Your notes."""
    return Resource(NOTES_TYPE, NOTES.uri(ctx), {"text": "Remember"})


NEW_MEMBERS = {"colour": "red", "watchers": None, "steps": [[1], {"at": 2}]}
STORED, DEFAULT = "estimate", {"minutes": 5}
"""A member that clients may change, as a PUT that leaves it out does."""


class Later:
    """What a later version adds to the requests and replies of the application.

    :ivar stored: the new member of each resource, by its URI.
    :ivar sent: how many changes of new types were in the feed so far.
    """

    def __init__(self, app: Any, root: str) -> None:
        self.app = app
        self.root = root
        self.stored: dict[str, Any] = {}
        self.sent = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        environ.pop("HTTP_ACCEPT_ENCODING", None)  # replies are changed here
        self._take(environ)
        said: list[Any] = []
        body = self.app(environ, lambda status, headers, *_: said.extend((status, headers)))
        status, headers = said
        kind = dict(headers).get("Content-Type", "")
        if kind.startswith("text/event-stream"):
            start_response(status, headers)
            return self._streamed(body)
        if status[:3] not in ("200", "201") or "json" not in kind:
            start_response(status, headers)
            return body
        document = self.later(json.loads(b"".join(body)))
        if document.get("changes"):
            document["changes"] += self.new_changes()
        content = json.dumps(document).encode()
        headers = [pair for pair in headers if pair[0] != "Content-Length"]
        start_response(status, [*headers, ("Content-Length", str(len(content)))])
        return [content]

    def _take(self, environ: dict[str, Any]) -> None:
        """Store what a PUT says of the new member, and pass on the rest."""
        if environ["REQUEST_METHOD"] not in ("PUT", "PATCH", "POST"):
            return
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if "json" in environ.get("CONTENT_TYPE", "") and body:
            members = json.loads(body)
            new = {name: members.pop(name, None) for name in (STORED, *NEW_MEMBERS)}
            if environ["REQUEST_METHOD"] == "PUT":
                self.stored[environ["PATH_INFO"]] = new[STORED]
            body = json.dumps(members).encode()
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))

    def later(self, document: Any) -> Any:
        """A document in which every resource has more members, links and forms."""
        if isinstance(document, list):
            return [self.later(each) for each in document]
        if not isinstance(document, dict):
            return document
        changed = {name: self.later(value) for name, value in document.items()}
        links = document.get("_links", {})
        uri = links.get("self", {}).get("href", document.get("uri"))
        if "self" in links:
            changed["_links"] = {**links, **self.new_links()}
            changed["_templates"] = {**document.get("_templates", {}), **self.new_forms()}
        if uri and "type" not in document:
            changed |= NEW_MEMBERS | {STORED: self.stored.get(urlsplit(uri).path, DEFAULT)}
        return changed

    def new_links(self) -> dict[str, Any]:
        """Links with relations of no meaning today."""
        notes = {"href": f"{self.root}notes"}
        return {
            "notes": notes,
            "watchers": [notes, notes],
            "attachments": [],
            "more": {"href": f"{self.root}notes{{?x}}", "templated": True},
        }

    def new_forms(self) -> dict[str, Any]:
        """Forms with names, types of fields and parts of no meaning today."""
        options = {"link": {"href": f"{self.root}notes"}}
        return {
            "schedule": {
                "method": "POST",
                "target": f"{self.root}notes",
                "contentType": "multipart/form-data",
                "properties": [
                    {"name": "when", "type": "hologram", "options": options},
                    {"name": "how", "options": {"inline": ["fast", "slow"]}, "cols": 3},
                ],
            },
            "publish": {"method": "PUBLISH", "target": f"{self.root}notes"},
        }

    def new_changes(self) -> list[Any]:
        """Changes of types that nothing of today knows."""
        self.sent += 2
        note = {"uri": f"{self.root}notes", "text": "New"}
        return [
            {"type": "note", "uri": note["uri"], "deleted": False, "resource": note},
            {"type": "reminder", "uri": f"{self.root}notes/1", "deleted": True, "by": "Ann"},
        ]

    def _streamed(self, body: Iterable[bytes]) -> Iterator[bytes]:
        try:
            for piece in body:
                yield piece
                if b"event: change" in piece and piece.endswith(b"\n\n"):
                    yield b'event: weather\ndata: {"rain": true}\n\n'
                    for change in self.new_changes():
                        yield f"event: change\ndata: {json.dumps(change)}\n\n".encode()
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()


@contextmanager
def served(settings: Settings, port: int) -> Iterator[tuple[Flask, Later]]:
    """Serve a later version on a port of this machine."""
    app = create_app(settings, also=[NOTES])
    later = Later(app.wsgi_app, f"http://127.0.0.1:{port}/api/v1/")
    server = make_server("127.0.0.1", port, later, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield app, later
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
