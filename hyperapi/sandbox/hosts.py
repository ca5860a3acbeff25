"""The names and addresses of a sandbox, and the ``Host`` headers that it takes for its own."""

import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from hyperapi.settings import SettingsError

_HTTP = "80"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")


def resolve(host: str) -> str:
    """Resolve a host name or address to the address to listen on.

    :raises OSError: when the name is unknown.
    """
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])


def reachable_from_elsewhere(host: str) -> bool:
    """Whether other machines can connect to a sandbox on this host."""
    return not ip_address(resolve(host)).is_loopback


def in_uri(host: str) -> str:
    """Return a host as in URIs and the ``Host`` header: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def read_names(text: str) -> tuple[str, ...]:
    """Read further names, comma-separated, each with or without a port.

    :raises SettingsError: for one that no ``Host`` header has.
    """
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in names:
        if not _HOST.fullmatch(name):
            raise SettingsError(
                f"--host-names: {name} must be a name or address, such as hyperapi or hyperapi:5000"
            )
    return names


class OwnHosts:
    """The ``Host`` headers that a sandbox takes for its own.

    :param host: the name or address that it listens on.
    :param port: the port that it listens on.
    :param any_port: takes its own names with any port, because a container may publish another.
    :param further: more names, each with the port to take, or without one for any port.
    """

    def __init__(self, host: str, port: int, any_port: bool, further: Sequence[str]) -> None:
        address = ip_address(resolve(host))
        self._everywhere = address.is_unspecified
        self._port = None if any_port else str(port)
        self._names = {in_uri(host).lower(), in_uri(str(address))}
        if self._everywhere:
            self._names.add(socket.gethostname().lower())
        if self._everywhere or address.is_loopback:
            self._names |= _LOOPBACK
        self._further = frozenset(further)

    def __contains__(self, sent: str) -> bool:
        found = _HOST.fullmatch(sent.lower())
        if found is None:
            return False
        name, port = found[1], found[2] or _HTTP  # clients omit the port of HTTP
        if {name, f"{name}:{port}"} & self._further:
            return True
        if self._port not in (None, port):
            return False
        return name in self._names or (self._everywhere and _is_of_this_machine(name))


def _is_of_this_machine(name: str) -> bool:
    """Whether a name in a ``Host`` header is an address of this machine."""
    try:
        address = ip_address(name.removeprefix("[").removesuffix("]"))
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        with socket.socket(family) as asked:
            asked.bind((str(address), 0))
    except (OSError, ValueError):
        return False
    return True
