"""Proxies and certificates from environment variables.

A client talks to one origin, so both are read once. Variables that do not apply to that origin are
ignored, even when they are malformed. A malformed variable that applies is an error that names it.
"""

import os
import re
import ssl
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.request import getproxies

import httpx

from hyperapi_client.errors import BadEnvironment
from hyperapi_client.origins import PORTS, parsed_url

_SCHEMES = ("http", "https", "socks5", "socks5h")
_ENTRY = re.compile(r"(?:[a-z0-9+.-]+://)?(?:\[([^]]+)]|([^:]+)|([^]]+?))(?::([0-9]+))?")
"""An entry of NO_PROXY: an address in brackets, a name, or an IPv6 address; perhaps a port."""


def _no_certificates() -> ssl.SSLContext:
    """Return a context without trusted certificates. It is enough for unencrypted connections, and
    reads no files."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


_unused = cache(_no_certificates)
"""The context of routes that lead nowhere: those of clients with a transport of their own."""


@dataclass(frozen=True)
class Route:
    """How requests reach a server.

    :param via: a sentence that names the proxy and its variable; empty without a proxy.
    :param trust: a sentence that names the variable with the trusted certificates.
    """

    proxy: httpx.Proxy | None = None
    verify: ssl.SSLContext = field(default_factory=_unused)
    via: str = ""
    trust: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments for a client of httpx."""
        return {"proxy": self.proxy, "verify": self.verify, "trust_env": False}


def route_to(url: str) -> Route:
    """Return the route to a URL.

    The proxy is ``HTTP_PROXY`` or ``HTTPS_PROXY``, else ``ALL_PROXY``, unless ``NO_PROXY`` names
    the host. Lower-case names win. ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` name the trusted
    certificates.

    :raises BadEnvironment: when a variable cannot be used.
    """
    target = parsed_url(url)
    proxy, via = _proxy(target)
    encrypted = "https" in (target.scheme, proxy.scheme if proxy else "")
    verify = _certificates() if encrypted else _no_certificates()
    trusted = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "")
    made = None if proxy is None else httpx.Proxy(proxy, ssl_context=_for_proxy(proxy, verify))
    trust = f"{trusted} in the environment names what is trusted." if trusted else ""
    return Route(made, verify, via, trust)


def _proxy(target: httpx.URL) -> tuple[httpx.URL | None, str]:
    """Return the URL of the proxy for a URL, and a sentence about it."""
    known = getproxies()
    kind = next((each for each in (target.scheme, "all") if known.get(each)), None)
    if kind is None or bypassed(known.get("no", ""), target):
        return None, ""
    named = known[kind].strip()
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    variable = next(
        (name for name in names if os.environ.get(name) == known[kind]), "The system's settings"
    )
    url = _proxy_url(variable, named if "://" in named else f"http://{named}")
    shown = str(url.copy_with(username=None, password=None))
    return url, f"Requests go through the proxy {shown}, which {variable} names."


def _proxy_url(variable: str, named: str) -> httpx.URL:
    """:raises BadEnvironment: when this is not the URL of a proxy that can be used."""
    scheme = named.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        known = ", ".join(_SCHEMES)
        raise BadEnvironment(
            variable, f"names a proxy of the kind {scheme!r}; known kinds are {known}"
        )
    try:
        url = httpx.URL(named)
    except httpx.InvalidURL as error:
        raise BadEnvironment(variable, f"does not name a proxy: {error}") from None
    if not url.host:
        raise BadEnvironment(variable, "does not name a proxy: its URL has no host")
    if url.port is not None and not 0 < url.port < PORTS:
        raise BadEnvironment(variable, f"does not name a proxy: ports are numbers below {PORTS}")
    if scheme.startswith("socks") and find_spec("socksio") is None:
        raise BadEnvironment(variable, "names a SOCKS proxy; for those: pip install 'httpx[socks]'")
    return url


def _for_proxy(proxy: httpx.URL, verify: ssl.SSLContext) -> ssl.SSLContext | None:
    return verify if proxy.scheme == "https" else None


def bypassed(no_proxy: str, target: httpx.URL) -> bool:
    """Tell whether ``NO_PROXY`` names the host of a URL.

    Entries are separated by commas or spaces: ``*``, a name (with its subdomains), an address with
    or without brackets, a network (``10.0.0.0/8``), each with an optional port.
    """
    host = target.raw_host.decode("ascii").rstrip(".")
    port = target.port or (443 if target.scheme == "https" else 80)
    for entry in re.split(r"[\s,]+", no_proxy.lower()):
        if entry == "*":
            return True
        parts = _ENTRY.fullmatch(entry)
        if parts is None:
            continue
        named = parts[1] or parts[2] or parts[3]
        if parts[4] in (None, str(port)) and _names(named, host):
            return True
        if parts[3] and _names(entry, host):  # an IPv6 address whose last group looks like a port
            return True
    return False


def _names(named: str, host: str) -> bool:
    """Tell whether an entry names a host."""
    try:
        return ip_address(host) in ip_network(named, strict=False)
    except ValueError:
        domain = named.removeprefix("*").strip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _certificates() -> ssl.SSLContext:
    """Load the trusted certificates.

    :raises BadEnvironment: when a variable names certificates that cannot be read, or a key log
        file that cannot be written.
    """
    keys, file = os.environ.get("SSLKEYLOGFILE"), os.environ.get("SSL_CERT_FILE")
    folders = os.environ.get("SSL_CERT_DIR")
    if keys:
        try:
            _no_certificates().keylog_filename = keys
        except OSError as error:
            raise BadEnvironment(
                "SSLKEYLOGFILE", f"names a file that cannot be written ({keys}: {_reason(error)})"
            ) from None
    if folders and not file and not any(map(os.path.isdir, folders.split(os.pathsep))):
        raise BadEnvironment("SSL_CERT_DIR", f"does not name a folder ({folders})")
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        if not file:
            raise
        raise BadEnvironment(
            "SSL_CERT_FILE", f"does not name a file with certificates ({file}: {_reason(error)})"
        ) from None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
