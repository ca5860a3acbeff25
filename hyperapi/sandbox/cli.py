"""The command ``hyperapi sandbox``."""

from pathlib import Path

import click


@click.command()
@click.option("--users", default="", metavar="NAME,...", help="Users to create at the start.")
@click.option("--seed", type=click.Path(path_type=Path), help="A JSON file with initial data.")
@click.option("--host", default="127.0.0.1", help="The name or address to listen on.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 takes any free port.")
def sandbox(users: str, seed: Path | None, host: str, port: int) -> None:
    """Serve a temporary database for tests. The sandbox ends with its parent process.

    When it is ready, it prints one line of JSON: its root, and its users with their tokens.
    """
    from hyperapi.sandbox.server import start

    names = [name.strip() for name in users.split(",") if name.strip()]
    start(names, seed, host, port)
