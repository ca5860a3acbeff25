"""Under which scheme, host and prefix the service is known: before Flask sees the request."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import get_host, host_is_trusted

from hyperapi.http.context import Context
from hyperapi.http.problems import UntrustedHost
from hyperapi.http.uris import BASE, base_of
from hyperapi.settings import Settings

Application = Callable[..., Iterable[bytes]]

_UNTRUSTED = "hyperapi.untrusted_host"


class Front:
    """WSGI middleware that settles scheme, host, prefix and client address.

    By default they are the connection's. Behind ``trusted_proxies`` hops they come from
    ``X-Forwarded-*``; a public URL wins over everything. A Host that is malformed or not trusted
    is replaced by one that is harmless to build URIs with, and the request marked.
    """

    def __init__(self, app: Application, settings: Settings) -> None:
        self._trusted = tuple(host.lower() for host in settings.trusted_hosts)
        public = urlsplit(settings.public_url)
        self._scheme, self._host, self._prefix = public.scheme, public.netloc, public.path
        self._app = app
        self._may_be = lru_cache(maxsize=1024)(self._is_good)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        host = (environ.get("HTTP_HOST") or _server(environ)).lower()
        if not self._may_be(host):
            environ[_UNTRUSTED] = True
            host = self._trusted[0].lstrip(".") if self._trusted else "localhost"
        environ["HTTP_HOST"] = host
        if self._host:
            self._publish(environ)
        elif prefix := environ.get("SCRIPT_NAME"):  # without its slash it would go on with the host
            environ["SCRIPT_NAME"] = f"/{prefix.strip('/')}".rstrip("/")
        environ[BASE] = base_of(environ)
        return self._app(environ, start_response)

    def _is_good(self, host: str) -> bool:
        return _routable(host) and host_is_trusted(host, self._trusted)

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


def around(application: Application, settings: Settings) -> Application:
    """Put the service's front before a WSGI application."""
    front = Front(application, settings)
    if not settings.trusted_proxies:
        return front
    hops = settings.trusted_proxies
    return ProxyFix(front, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)


def refuse_untrusted(ctx: Context) -> None:
    """Refuse a request whose Host the middleware did not trust.

    :raises UntrustedHost: for such a request.
    """
    if _UNTRUSTED in ctx.environ:
        raise UntrustedHost
