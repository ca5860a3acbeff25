"""The scheme, host, prefix and client address of a request, settled before routing."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlsplit

from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import get_host, host_is_trusted

from hyperapi.http.context import Context
from hyperapi.http.problems import BadRequest, Problem, TargetTooLong, UntrustedHost
from hyperapi.http.uris import BASE, LONGEST_TARGET, base_of
from hyperapi.settings import Settings, is_prefix

Application = Callable[..., Iterable[bytes]]

REFUSED = "hyperapi.refused"
"""The key in the WSGI environment of the problem that refuses the request."""
_WITHOUT_HOST = ("HTTP/1.0", "HTTP/1")
"""Names of HTTP/1.0, where Host is optional. granian calls it HTTP/1."""
_LONGEST_HOST = 253 + len(":65535")
_WITH_PORT = re.compile(r"([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


class ProxyHeaders:
    """WSGI middleware that settles scheme, host, prefix and client address.

    By default they are those of the connection. Behind ``trusted_proxies`` hops they come from
    ``X-Forwarded-*``. A public URL takes precedence over both. A request with malformed values, or
    with an untrusted host, is marked as refused. Its values are replaced by harmless ones, so that
    the error document can contain URIs.
    """

    def __init__(self, app: Application, settings: Settings) -> None:
        self._trusted = tuple(host.lower() for host in settings.trusted_hosts)
        public = urlsplit(settings.public_url)
        self._scheme, self._host, self._prefix = public.scheme, public.netloc, public.path
        self._app = app
        self._forwarded = bool(settings.trusted_proxies)
        self._may_be = lru_cache(maxsize=1024)(self._is_good)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self._settle_host(environ)
        if self._forwarded:
            _settle_forwarded(environ)
        if self._host:
            self._publish(environ)
        refuse_long_target(environ)
        environ[BASE] = base_of(environ)
        return self._app(environ, start_response)

    def _settle_host(self, environ: dict[str, Any]) -> None:
        host = (environ.get("HTTP_HOST") or "").lower()
        if not host:
            host = _server(environ)
            if environ.get("SERVER_PROTOCOL") not in _WITHOUT_HOST:
                environ[REFUSED] = BadRequest("Send a Host header (RFC 9112, section 3.2).")
        if not self._may_be(host):
            environ[REFUSED] = UntrustedHost()
            host = self._trusted[0].lstrip(".") if self._trusted else "localhost"
        environ["HTTP_HOST"] = host

    def _is_good(self, host: str) -> bool:
        return _routable(host) and host_is_trusted(host, self._trusted)

    def _publish(self, environ: dict[str, Any]) -> None:
        environ["wsgi.url_scheme"] = self._scheme
        environ["HTTP_HOST"] = self._host
        environ["SCRIPT_NAME"] = self._prefix
        path = environ["PATH_INFO"]
        if self._prefix and path.startswith(self._prefix + "/"):  # from a proxy that keeps it
            environ["PATH_INFO"] = path.removeprefix(self._prefix)


def _settle_forwarded(environ: dict[str, Any]) -> None:
    """Use the scheme, prefix and address of a trusted proxy, if they are well-formed."""
    scheme, prefix = environ["wsgi.url_scheme"].lower(), environ.get("SCRIPT_NAME") or ""
    address = _without_its_port(environ.get("REMOTE_ADDR") or "")
    if scheme not in ("http", "https"):
        environ[REFUSED] = _malformed("Proto", "http or https")
        scheme = "http"
    if prefix:  # without a leading slash it would extend the host
        prefix = f"/{prefix.strip('/')}".rstrip("/")
    if not is_prefix(prefix):
        environ[REFUSED] = _malformed("Prefix", "a path of at most 200 characters")
        prefix = ""
    if address and not _is_address(address):
        environ[REFUSED] = _malformed("For", "IP addresses")
        address = ""
    environ["wsgi.url_scheme"], environ["SCRIPT_NAME"] = scheme, prefix
    environ["REMOTE_ADDR"] = address


def _malformed(name: str, takes: str) -> Problem:
    return BadRequest(f"X-Forwarded-{name} must be {takes}. Correct the proxy in front.")


def _without_its_port(address: str) -> str:
    """Return a client's address without the port that some proxies append."""
    found = _WITH_PORT.fullmatch(address)
    return (found[1] if found else address).strip("[]")


@lru_cache(maxsize=1024)
def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def refuse_long_target(environ: dict[str, Any]) -> None:
    """Mark a request as refused when its target is too long."""
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING") or ""
    if 3 * len(path) + len(query) >= LONGEST_TARGET and _is_too_long(path, query):
        environ[REFUSED] = TargetTooLong(f"Send at most {LONGEST_TARGET} bytes.")


def _is_too_long(path: str, query: str) -> bool:
    """Whether the request target is too long. The server decodes its path."""
    target = len(quote(path, safe="/:@!$&'()*+,;=~", encoding="latin-1"))
    return target + (len(query) + 1 if query else 0) > LONGEST_TARGET


def _server(environ: dict[str, Any]) -> str:
    """Return the server's name and port, for HTTP/1.0 requests without Host."""
    return get_host(
        environ["wsgi.url_scheme"], None, (environ["SERVER_NAME"], environ["SERVER_PORT"])
    )


def _routable(host: str) -> bool:
    """Whether Flask can route by a host. It fails on empty and on long labels."""
    if len(host) > _LONGEST_HOST:
        return False
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def around(application: Application, settings: Settings) -> Application:
    """Wrap a WSGI application with :class:`ProxyHeaders`."""
    front = ProxyHeaders(application, settings)
    if not settings.trusted_proxies:
        return front
    hops = settings.trusted_proxies
    return ProxyFix(front, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)


def refuse(ctx: Context) -> None:
    """Refuse a request that middleware marked.

    :raises Problem: for such a request.
    """
    refused: Problem | None = ctx.environ.get(REFUSED)
    if refused is not None:
        raise refused
