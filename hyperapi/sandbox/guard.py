"""Access control of the control resource: only programs at the sandbox's own address may use it.

Any web page can send requests to a server on its reader's machine. Its requests have an ``Origin``.
A page that points its own host name at that machine (DNS rebinding) sends none, but its ``Host`` is
that name. Both are refused. A sandbox that other machines can connect to also requires a secret.
"""

import socket
from hmac import compare_digest
from ipaddress import ip_address

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.problems import ControlRefused

SECRET_HEADER = "Sandbox-Secret"  # noqa: S105 - a header's name
_SECRET = "HTTP_SANDBOX_SECRET"  # noqa: S105 - the header in the WSGI environment
_HTTP = 80
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


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


def init_app(handler: RequestHandler, path: str, host: str, port: int, secret: str) -> None:
    """Refuse requests at or below ``path``, except from permitted programs.

    :param host: the name or address that the sandbox listens on.
    :param secret: the required value of ``Sandbox-Secret``; empty on a loopback address.
    """
    names = {host, resolve(host)}
    everywhere = ip_address(resolve(host)).is_unspecified
    if everywhere:
        names.add(socket.gethostname())
    if everywhere or not reachable_from_elsewhere(host):
        names |= _LOOPBACK
    own = {f"{in_uri(name)}:{port}".lower() for name in names}
    if port == _HTTP:  # clients omit it
        own |= {in_uri(name).lower() for name in names}

    def check(ctx: Context) -> None:
        if ctx.path != path and not ctx.path.startswith(f"{path}/"):
            return
        if ctx.environ.pop("HTTP_ORIGIN", None) is not None:  # removed: no CORS headers
            raise ControlRefused(
                "Web pages cannot use the control API of a sandbox. Send "
                "the request from a program, "
                "without the header Origin."
            )
        sent = ctx.environ["HTTP_HOST"].lower()
        if sent not in own and not (everywhere and _is_of_this_machine(sent, port)):
            raise ControlRefused(
                f"Call the sandbox by its own address: Host must be {in_uri(host)}:{port}."
            )
        told = ctx.environ.get(_SECRET, "")
        if secret and not compare_digest(told.encode(), secret.encode()):
            raise ControlRefused(
                f"Send the header {SECRET_HEADER} with the control_secret that the sandbox's first "
                "line of output names."
            )

    # Second: the first hook gives the request its id, the next one replies to preflights.
    handler.before.insert(1, check)


def _is_of_this_machine(sent: str, port: int) -> bool:
    """Whether ``Host`` is an address of this machine with this port."""
    name = sent.removesuffix(f":{port}")
    if name == sent:
        return False
    name = name.removeprefix("[").removesuffix("]")
    try:
        family = socket.AF_INET6 if ip_address(name).version == 6 else socket.AF_INET
        with socket.socket(family) as asked:
            asked.bind((name, 0))
    except (OSError, ValueError):
        return False
    return True
