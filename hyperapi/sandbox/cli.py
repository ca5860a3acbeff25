"""The command ``hyperapi sandbox``."""

import click


@click.command(context_settings={"auto_envvar_prefix": "HYPERAPI_SANDBOX"})
@click.option("--users", default="", metavar="NAME,...", help="Users to create at the start.")
@click.option(
    "--seed", default="", metavar="FILE|JSON", help="Initial data: a JSON file, or the JSON itself."
)
@click.option("--host", default="127.0.0.1", help="The name or address to listen on.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 takes any free port.")
@click.option(
    "--host-names",
    default="",
    metavar="NAME[:PORT],...",
    help="Further names by which programs call it. Its control resource then takes a secret.",
)
def sandbox(users: str, seed: str, host: str, port: int, host_names: str) -> None:
    """Serve a temporary database for tests. The sandbox ends with its parent process.

    When it is ready, it prints one line of JSON: its root, and its users with their tokens.

    Each option has a variable, such as HYPERAPI_SANDBOX_PORT. HYPERAPI_SANDBOX_SECRET is the secret
    that the control resource takes. Without it, other machines need the one in the first line.
    """
    from hyperapi.common.processes import hold_signals

    hold_signals()  # a container's first process loses signals that it does not block or handle
    from hyperapi.sandbox.hosts import read_names
    from hyperapi.sandbox.server import start

    names = [name.strip() for name in users.split(",") if name.strip()]
    start(names, seed, host, port, read_names(host_names))
