"""The application of a sandbox: the service with the control resource."""

import sqlite3
from collections.abc import Sequence

from flask import Flask
from sqlalchemy import event

from hyperapi.app import create_app
from hyperapi.http.handler import RequestHandler
from hyperapi.sandbox import guard
from hyperapi.sandbox.control import PARTS, ROUTES
from hyperapi.sandbox.control_part import CONTROL
from hyperapi.settings import Settings
from hyperapi.state import state_of
from hyperapi.storage.database import Database


def sandbox_app(settings: Settings, secret: str = "", host_names: Sequence[str] = ()) -> Flask:
    """Create the application with the control resource, on a database without durable writes.

    :param secret: the secret that requests to the control resource must send; empty for none.
    :param host_names: further names of the server.
    """
    app = create_app(settings, also=ROUTES)
    state = state_of(app)
    for part in PARTS:
        for new_part in part.new_parts:
            state.add(new_part())
    handler = state[RequestHandler]
    guard.init_app(handler, CONTROL.path, settings.host, settings.port, secret, host_names)
    event.listen(state[Database].engine, "connect", _without_durability)
    return app


def _without_durability(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")
