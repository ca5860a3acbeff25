"""Under which scheme, host and prefix the service is known: before Flask sees the request."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import get_host, host_is_trusted

from hyperapi.settings import Settings
from hyperapi.web.problems import UntrustedHost

_UNTRUSTED = "hyperapi.untrusted_host"


class Front:
    """WSGI middleware that settles scheme, host, prefix and client address.

    By default they are the connection's. Behind ``trusted_proxies`` hops they come from
    ``X-Forwarded-*``; a public URL wins over everything. A Host that is malformed or not trusted
    is replaced by one that is harmless to build URIs with, and the request marked.
    """

    def __init__(self, app: Any, settings: Settings) -> None:
        self._trusted = tuple(host.lower() for host in settings.trusted_hosts)
        public = urlsplit(settings.public_url)
        self._scheme, self._host, self._prefix = public.scheme, public.netloc, public.path
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        host = (environ.get("HTTP_HOST") or _server(environ)).lower()
        if not _routable(host) or not host_is_trusted(host, self._trusted):
            environ[_UNTRUSTED] = True
            host = self._trusted[0].lstrip(".") if self._trusted else "localhost"
        environ["HTTP_HOST"] = host
        if self._host:
            self._publish(environ)
        return self._app(environ, start_response)  # type: ignore[no-any-return]

    def _publish(self, environ: dict[str, Any]) -> None:
        environ["wsgi.url_scheme"] = self._scheme
        environ["HTTP_HOST"] = self._host
        environ["SCRIPT_NAME"] = self._prefix
        path = environ["PATH_INFO"]
        if self._prefix and path.startswith(self._prefix + "/"):  # a proxy that passes it on
            environ["PATH_INFO"] = path.removeprefix(self._prefix)


def _server(environ: dict[str, Any]) -> str:
    """The server's own name and port, for requests of HTTP/1.0 that name no host."""
    return get_host(
        environ["wsgi.url_scheme"], None, (environ["SERVER_NAME"], environ["SERVER_PORT"])
    )


def _routable(host: str) -> bool:
    """Is it a host that Flask can route by? It fails on empty labels, and on long ones."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def init_app(app: Flask, settings: Settings) -> None:
    """Put the service's front before ``app``."""
    app.wsgi_app = Front(app.wsgi_app, settings)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops
        )
    app.before_request(_refuse_untrusted)


def _refuse_untrusted() -> None:
    if _UNTRUSTED in request.environ:
        raise UntrustedHost
