"""The application of a sandbox: the service with the control resource, in any number of worlds."""

from collections.abc import Sequence
from pathlib import Path

from flask import Flask

from hyperapi.app import create_app, serve
from hyperapi.http.handler import RequestHandler
from hyperapi.sandbox import fault_effects, guard, recorder
from hyperapi.sandbox.control import PARTS, ROUTES
from hyperapi.sandbox.control_part import CONTROL
from hyperapi.sandbox.worlds import Worlds, without_durability
from hyperapi.settings import Settings
from hyperapi.state import state_of
from hyperapi.storage.database import Database


def sandbox_app(
    settings: Settings, template: Path, secret: str = "", host_names: Sequence[str] = ()
) -> Flask:
    """Create the application with the control resource, on a database without durable writes.

    :param template: a migrated database without data, which namespaces start from.
    :param secret: the secret that requests to the control resource must send; empty for none.
    :param host_names: further names of the server.
    """
    app = create_app(settings, also=ROUTES)
    state = state_of(app)
    handler = state[RequestHandler]
    new_parts = [kind for part in PARTS for kind in part.new_parts]
    for kind in new_parts:
        state.add(kind())
    worlds = state.add(Worlds(app, template, new_parts))
    guard.init_app(handler, CONTROL.path, settings.host, settings.port, secret, host_names)
    state.add(recorder.init_app(handler))
    fault_effects.init_app(handler)
    without_durability(state[Database])
    serve(app, worlds.around(handler))
    return app
