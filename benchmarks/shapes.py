"""``python -m benchmarks.shapes``: the cost of a page of 25 tasks in each shape.

The application is called in this process. Each round measures every shape in turn, so that a slow
minute of the machine affects all of them. Bytes are those of the body, as it is and compressed like
a proxy would; CPU is that of this process.
"""

import gzip
import tempfile
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import create_environ

from hyperapi import Settings, create_app
from hyperapi.representations.shapes import SHAPES
from hyperapi.storage import migrations

ROUNDS, REQUESTS = 15, 100
PASSWORD = "correct horse battery staple"
TITLES = ("Milk", "Call the landlord about the heating", "Invoice for March", "Dentist")


def main() -> None:
    """Measure, and print a table for ``shapes.md``."""
    with tempfile.TemporaryDirectory(prefix="hyperapi-shapes-") as folder:
        app = made(Path(folder))
        uri, token = furnished(app.test_client())
        asks = {shape: principal(app, uri, token, shape) for shape in SHAPES.offered}
        bodies = {shape: ask() for shape, ask in asks.items()}
        costs = measured(asks)
    print("| shape | bytes | with gzip | CPU, µs |\n|---|---:|---:|---:|")
    for shape, body in bodies.items():
        compressed = len(gzip.compress(body, 6))
        print(f"| `{shape}` | {len(body):,} | {compressed:,} | {costs[shape]:,.0f} |")


def made(folder: Path) -> Flask:
    """An application with a new database."""
    url = f"sqlite:///{folder}/hyperapi.db"
    migrations.upgrade(url)
    chosen = {"HYPERAPI_INSTANCE": str(folder), "HYPERAPI_DATABASE_URL": url}
    return create_app(Settings.read({**chosen, "HYPERAPI_REQUEST_LIMIT": ""}))


def furnished(client: FlaskClient) -> tuple[str, str]:
    """The URI of a page of 25 tasks that has a next page, and a token for it."""
    root: Any = client.get("/api/v1/").json
    person = {"username": "alice", "password": PASSWORD}
    client.post(root["users_uri"], json=person)
    session: Any = client.post(root["tokens_uri"], json=person).json
    token = session["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    groceries: Any = client.post(root["lists_uri"], json={"title": "Home"}, headers=headers).json
    for number in range(30):
        task = {
            "title": TITLES[number % len(TITLES)],
            "description": "Ask for the price, and for a receipt." if number % 2 else "",
            "done": number % 3 == 0,
            "due_at": "2030-01-31T09:00:00Z" if number % 2 else None,
            "tags": ["home", "money"][: number % 3],
        }
        client.post(groceries["tasks_uri"], json=task, headers=headers)
    return groceries["tasks_uri"], token


def principal(app: Flask, uri: str, token: str, shape: str) -> Callable[[], bytes]:
    """A function that requests a page in a shape, with negligible cost of its own."""
    headers = {"Accept": shape, "Authorization": f"Bearer {token}"}
    environ: Mapping[str, Any] = create_environ(uri, headers=headers)

    def started(status: str, *_: Any) -> Callable[[bytes], object]:
        assert status == "200 OK", status
        return BytesIO().write

    def ask() -> bytes:
        return b"".join(app({**environ, "wsgi.input": BytesIO()}, started))

    return ask


def measured(asks: Mapping[str, Callable[[], bytes]]) -> dict[str, float]:
    """CPU microseconds per request, the median of the rounds."""
    rounds: dict[str, list[float]] = {shape: [] for shape in asks}
    for _ in range(ROUNDS):
        for shape, ask in asks.items():
            begun = time.process_time()
            for _ in range(REQUESTS):
                ask()
            rounds[shape].append((time.process_time() - begun) / REQUESTS * 1e6)
    return {shape: median(found) for shape, found in rounds.items()}


if __name__ == "__main__":
    main()
