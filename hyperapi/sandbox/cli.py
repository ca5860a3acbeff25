"""The command ``hyperapi sandbox``."""

from pathlib import Path

import click

from hyperapi.sandbox.server import start


@click.command()
@click.option("--users", default="", metavar="NAME,...", help="Users to begin with.")
@click.option("--seed", type=click.Path(path_type=Path), help="A JSON file to begin with.")
@click.option("--host", default="127.0.0.1", help="The name or address to listen on.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 is any that is free.")
def sandbox(users: str, seed: Path | None, host: str, port: int) -> None:
    """Serve a throw-away database for tests, and end with whoever started this.

    When it answers, it prints one line of JSON: its root, and its users with their tokens.
    """
    names = [name.strip() for name in users.split(",") if name.strip()]
    start(names, seed, host, port)
