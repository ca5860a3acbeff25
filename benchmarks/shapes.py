"""``python -m benchmarks.shapes``: the cost of a page of 25 tasks in each shape.

The application is called in this process. Each round measures every shape in turn, so that a slow
minute of the machine affects all of them. Bytes are those of the body, as it is and in each content
coding; CPU is that of this process. The second table has the cost of the codings.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from operator import truediv
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import create_environ

from hyperapi import Settings, create_app
from hyperapi.http.content_coding import CODINGS, compressed
from hyperapi.http.handler import RequestHandler
from hyperapi.middleware import compression
from hyperapi.representations import hal_forms
from hyperapi.representations.shapes import SHAPES
from hyperapi.state import state_of
from hyperapi.storage import migrations

ROUNDS, REQUESTS = 40, 50
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
        in_codings = measured(coded(app, uri, token))
    print("| shape | bytes | with gzip | with zstd | CPU, µs | ratio |")
    print("|---|---:|---:|---:|---:|---:|")
    for shape, body in bodies.items():
        sizes = " | ".join(f"{len(each):,}" for each in (body, *_in_codings(body)))
        print(f"| `{shape}` | {sizes} | {costs[shape]} |")
    print("\n| page in HAL-FORMS | CPU, µs | ratio |\n|---|---:|---:|")
    for name, cost in in_codings.items():
        print(f"| {name} | {cost} |")


def _in_codings(body: bytes) -> list[bytes]:
    return [compressed(body, coding) for coding in CODINGS]


def coded(app: Flask, uri: str, token: str) -> dict[str, Callable[[], bytes]]:
    """Functions that request a page with forms: in each coding, without Accept-Encoding, and from a
    service that cannot compress."""
    handler = state_of(app)[RequestHandler]
    hooks = list(handler.after)
    without = [hook for hook in hooks if hook.__module__ != compression.__name__]
    plain = principal(app, uri, token, hal_forms.MEDIA_TYPE)

    def ask_without_compression() -> bytes:
        handler.after = without
        try:
            return plain()
        finally:
            handler.after = hooks

    return {
        "no compression in the service": ask_without_compression,
        "without Accept-Encoding": plain,
        **{
            f"Accept-Encoding: {coding}": principal(app, uri, token, hal_forms.MEDIA_TYPE, coding)
            for coding in CODINGS
        },
    }


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


def principal(
    app: Flask, uri: str, token: str, shape: str, coding: str = ""
) -> Callable[[], bytes]:
    """A function that requests a page in a shape, with negligible cost of its own.

    :param coding: Accept-Encoding; no such header when empty.
    """
    headers = {"Accept": shape, "Authorization": f"Bearer {token}"}
    if coding:
        headers["Accept-Encoding"] = coding
    environ: Mapping[str, Any] = create_environ(uri, headers=headers)

    def started(status: str, *_: Any) -> Callable[[bytes], object]:
        assert status == "200 OK", status
        return BytesIO().write

    def ask() -> bytes:
        return b"".join(app({**environ, "wsgi.input": BytesIO()}, started))

    return ask


def measured(asks: Mapping[str, Callable[[], bytes]]) -> dict[str, str]:
    """CPU microseconds per request and their ratio to the first, as medians of the rounds."""
    rounds: dict[str, list[float]] = {shape: [] for shape in asks}
    for _ in range(ROUNDS):
        for shape, ask in asks.items():
            begun = time.process_time()
            for _ in range(REQUESTS):
                ask()
            rounds[shape].append((time.process_time() - begun) / REQUESTS * 1e6)
    first = next(iter(rounds.values()))
    return {
        shape: f"{median(found):,.0f} | {median(map(truediv, found, first)):.2f}"
        for shape, found in rounds.items()
    }


if __name__ == "__main__":
    main()
