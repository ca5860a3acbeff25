"""Redirect URIs of OAuth clients: which ones may be registered, and which request matches one.

URIs are compared as text (RFC 9700 §2.1). The port of a loopback address is the one exception
(RFC 8252 §7.3).
"""

import re
from collections.abc import Callable, Iterable

LONGEST = 900

_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()+,;=%-]+")
"""The characters of a URI (RFC 3986) without a fragment, and without ``*``."""
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
_WEB = re.compile(rf"(?P<origin>(?P<scheme>https?)://(?P<host>{_HOST}){_PORT})(?P<rest>[/?].*)?")
_PRIVATE = re.compile(r"(?P<scheme>[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+):(?P<rest>/.*|[^/].*)")
"""A private-use scheme: a domain name in reverse (RFC 8252 §7.1)."""

_ADDRESSES = ("127.0.0.1", "[::1]")
_LOCAL = (*_ADDRESSES, "localhost")


def fault_of(uri: str) -> str | None:
    """Return why a URI cannot be registered; None when it can.

    Registered URIs are https, http on this machine, or have a private-use scheme with a dot.
    """
    for fits, fault in _RULES:
        if not fits(uri):
            return fault
    return None if _PRIVATE.fullmatch(uri) else _fault_of_web(uri)


def _fault_of_web(uri: str) -> str | None:
    if "@" in uri.partition("://")[2].partition("/")[0]:
        return "must have no user name or password"
    parts = _WEB.fullmatch(uri)
    if parts is None or not _is_port(parts["port"]):
        return (
            "must be an https URI, an http URI of this machine, or begin with a private scheme "
            "such as org.example.app:"
        )
    if parts["scheme"] == "http" and parts["host"] not in _LOCAL:
        return "must be https, because it is not on this machine"
    return None


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Whether a redirect URI is one of those that a client registered."""
    if fault_of(uri) is not None:
        return False
    return any(uri == each or _alike(uri, each) for each in registered)


def form_actions(uri: str) -> str:
    """Return the source of a registered URI for ``form-action`` of a Content-Security-Policy.

    Browsers apply it to the redirect that answers a form. It has no syntax for addresses of IPv6.
    """
    parts = _WEB.fullmatch(uri)
    if parts is None:
        return uri.partition(":")[0] + ":"
    return f"{parts['scheme']}:" if "[" in parts["host"] else parts["origin"]


def place_of(uri: str) -> str:
    """Return where a registered URI leads, for people: its origin or its scheme."""
    parts = _WEB.fullmatch(uri)
    return uri.partition(":")[0] + ":" if parts is None else parts["origin"]


def host_of(uri: str) -> str:
    """Return the host of a URI that may be registered, or its private-use scheme."""
    parts = _WEB.fullmatch(uri)
    return uri.partition(":")[0] if parts is None else parts["host"]


def any_port(uri: str) -> str:
    """Return a URI without its port where a request may name any other one."""
    parts = _WEB.fullmatch(uri)
    if parts is None or parts["scheme"] != "http" or parts["host"] not in _ADDRESSES:
        return uri
    return f"http://{parts['host']}{parts['rest'] or ''}"


def is_on_this_machine(uri: str) -> bool:
    """Whether a registered URI leads to a program on the user's own machine."""
    parts = _WEB.fullmatch(uri)
    return parts is None or parts["host"] in _LOCAL


def _alike(uri: str, registered: str) -> bool:
    """Whether two URIs of a loopback address differ at most in the port."""
    here, there = _WEB.fullmatch(uri), _WEB.fullmatch(registered)
    if here is None or there is None or here["host"] not in _ADDRESSES:
        return False
    same = ("scheme", "host", "rest")
    return here["scheme"] == "http" and all(here[name] == there[name] for name in same)


def _is_port(text: str | None) -> bool:
    return text is None or 0 < int(text) < 65536


_RULES: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda uri: len(uri) <= LONGEST, f"must not be longer than {LONGEST} characters"),
    (lambda uri: "#" not in uri, "must have no fragment"),
    (lambda uri: "*" not in uri, "must have no wildcard: register each URI"),
    (_CHARACTERS.fullmatch, "must be an absolute URI, with other characters percent-encoded"),
)
"""What every URI fits, and the fault of one that does not."""
