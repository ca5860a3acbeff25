"""A WSGI server of this process on a real socket, in front of which faults can be planted."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

Fault = Callable[[Request, Response], None]
Change = Callable[[dict[str, Any]], None]


class _Quiet(WSGIRequestHandler):
    """Says nothing, and keeps connections open."""

    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        """Say nothing."""


@dataclass
class Faulty:
    """An application, and at most one fault in front of it.

    :param prefix: the path that it is served below, as behind a proxy.
    :ivar fault: changes replies.
    :ivar change: changes requests, as WSGI environments.
    """

    app: WSGIApplication
    prefix: str = ""
    fault: Fault | None = None
    change: Change | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith(self.prefix):
            return Response("Nothing here.", 404)(environ, start_response)
        environ["PATH_INFO"] = path.removeprefix(self.prefix) or "/"
        if self.change is not None:
            self.change(environ)
        request = Request(environ)
        reply = Response.from_app(self.app, environ, buffered=True)
        if self.fault is not None:
            self.fault(request, reply)
        return reply(environ, start_response)


@contextmanager
def listening(application: WSGIApplication, port: int = 0) -> Iterator[str]:
    """The URL of an application on a socket while this lasts."""
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
