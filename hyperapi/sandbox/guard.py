"""Access control of the control resource: only programs at the sandbox's own address may use it.

Any web page can send requests to a server on its reader's machine. Its requests have an ``Origin``.
A page that points its own host name at that machine (DNS rebinding) sends none, but its ``Host`` is
that name. Both are refused. A sandbox that other machines can connect to also requires a secret.
"""

from collections.abc import Sequence
from hmac import compare_digest

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.problems import ControlRefused
from hyperapi.sandbox.hosts import OwnHosts, in_uri

SECRET_HEADER = "Sandbox-Secret"  # noqa: S105 - a header's name
_SECRET = "HTTP_SANDBOX_SECRET"  # noqa: S105 - the header in the WSGI environment


def init_app(
    handler: RequestHandler,
    path: str,
    host: str,
    port: int,
    secret: str,
    host_names: Sequence[str] = (),
) -> None:
    """Refuse requests at or below ``path``, except from permitted programs.

    :param host: the name or address that the sandbox listens on.
    :param secret: the required value of ``Sandbox-Secret``; may be empty on a loopback address.
        No web page knows it, so with a secret the port of ``Host`` does not matter.
    :param host_names: further names of the sandbox.
    """
    own = OwnHosts(host, port, any_port=bool(secret), further=host_names)

    def check(ctx: Context) -> None:
        if ctx.path != path and not ctx.path.startswith(f"{path}/"):
            return
        if ctx.environ.pop("HTTP_ORIGIN", None) is not None:  # removed: no CORS headers
            raise ControlRefused(
                "Web pages cannot use the control API of a sandbox. Send "
                "the request from a program, "
                "without the header Origin."
            )
        if ctx.environ["HTTP_HOST"] not in own:
            raise ControlRefused(
                "Call the sandbox by its own address: Host must be an address of it, or a name in "
                "HYPERAPI_SANDBOX_HOST_NAMES, which it reads when it starts."
                if secret
                else f"Call the sandbox by its own address: Host must be {in_uri(host)}:{port}."
            )
        sent = ctx.environ.get(_SECRET, "")
        if secret and not compare_digest(sent.encode(), secret.encode()):
            raise ControlRefused(
                f"Send the header {SECRET_HEADER} with the control_secret in the sandbox's first "
                "line of output, or with the HYPERAPI_SANDBOX_SECRET that it was started with."
            )

    # Second: the first hook gives the request its id, the next one replies to preflights.
    handler.before.insert(1, check)
