"""Start of a sandbox: on a temporary database, until its parent process ends."""

import json
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import Flask
from granian.constants import Interfaces
from granian.log import LogLevels

from hyperapi.common.processes import (
    import_nothing_from_working_folder,
    obey_main_process,
    obey_signals,
)
from hyperapi.common.secret_keys import weakness
from hyperapi.ops import installation
from hyperapi.ops.serving import Server
from hyperapi.sandbox import hosts, seed
from hyperapi.sandbox.app import sandbox_app
from hyperapi.sandbox.request_lines import RequestLines
from hyperapi.settings import Settings, SettingsError, read_environment, unknown_settings
from hyperapi.state import state_of
from hyperapi.storage import migrations
from hyperapi.storage.database import Database

CHOSEN = {
    "HYPERAPI_COMMON_PASSWORDS": "",
    "HYPERAPI_HASHING_MEMORY": "8",
    "HYPERAPI_HASHING_ROUNDS": "1",
    "HYPERAPI_SIGN_IN_LIMIT": "",
    "HYPERAPI_SIGN_IN_ADDRESS_LIMIT": "",
    "HYPERAPI_REGISTER_LIMIT": "",
    "HYPERAPI_REQUEST_LIMIT": "",
    "HYPERAPI_READERS": "256",
}
"""Settings for tests, which the environment can override."""

APART = {
    "HYPERAPI_WORKERS": "1",
    "HYPERAPI_PUBLIC_URL": "",
    "HYPERAPI_TRUSTED_HOSTS": "",
    "HYPERAPI_TRUSTED_PROXIES": "0",
    "HYPERAPI_RATE_LIMIT_STORAGE": "",
    "HYPERAPI_METRICS_PORT": "0",
    "HYPERAPI_DRAIN_DELAY": "0",
}
"""Settings that isolate a sandbox from the environment: its own URLs, counters and ports."""

_LOOK_EVERY = 0.2
_SECONDS_TO_DRAIN = 1
_PATIENCE = 30.0
_PREFIX = "HYPERAPI_SANDBOX_"
_FOLDER = f"{_PREFIX}FOLDER"
_HOST_NAMES = f"{_PREFIX}HOST_NAMES"
_SECRET = f"{_PREFIX}SECRET"


def start(
    usernames: Sequence[str], seed_source: str, host: str, port: int, host_names: Sequence[str]
) -> None:
    """Serve a sandbox until a stop signal, or until its parent process ends.

    The caller holds the signals.

    When it is ready, it prints one line of JSON: its root and its users. The line also has the
    secret of the control resource, when this program generated it.

    :param seed_source: a file, or JSON; empty for none.
    :param host: the name or address to listen on.
    :param port: the port; 0 takes any free one.
    :param host_names: further names by which programs call it.
    :raises SettingsError: when a database is configured, because a sandbox deletes its data.
    :raises SettingsError: for a weak secret.
    :raises SeedError: for an invalid seed.
    """
    parent = os.getppid()
    _warn_of_misspelt_variables()
    refuse_real_database()
    users = seed.read(seed_source, usernames)
    address = _address(host)
    chosen = chosen_secret()
    needed = bool(host_names) or hosts.reachable_from_elsewhere(host)
    secret = chosen or (secrets.token_urlsafe(24) if needed else "")
    import_nothing_from_working_folder()
    with TemporaryDirectory(prefix="hyperapi-sandbox-") as folder, _port(address, port) as taken:
        settings = prepare(Path(folder), host, taken)
        os.environ |= {_SECRET: secret, _HOST_NAMES: ",".join(host_names)}
        app = sandbox_app(settings, _template(settings), secret, host_names)
        base_url = f"http://{hosts.in_uri(_near(host))}:{taken}"
        planted = seed.plant(app, base_url, users)
        state_of(app)[Database].engine.dispose()
        line = {"root": f"{base_url}/api/v1/", "users": planted}
        if secret and not chosen:
            line["control_secret"] = secret
        server = Server(
            application,
            interface=Interfaces.WSGI,
            address=address,
            port=taken,
            workers=1,  # the clock and the snapshots belong to one process
            blocking_threads=settings.slots + settings.readers,
            workers_kill_timeout=_SECONDS_TO_DRAIN,
            log_level=LogLevels.error,
        )
        obey_signals(server.signal_handler_interrupt)
        _in_background(lambda: _announce(_near(address), taken, line))
        _in_background(lambda: _end_with(parent))
        server.serve()


def _warn_of_misspelt_variables() -> None:
    for name in unknown_settings(os.environ):
        if name.startswith(_PREFIX):
            sys.stderr.write(f"hyperapi: {name} is not a variable of the sandbox\n")


def refuse_real_database() -> None:
    """Refuse to start when a database is configured.

    :raises SettingsError: in that case.
    """
    if read_environment().get("HYPERAPI_DATABASE_URL"):
        raise SettingsError(
            "HYPERAPI_DATABASE_URL is set, but a sandbox deletes its data and therefore uses a "
            "database of its own. Unset it first"
        )


def chosen_secret() -> str:
    """Return the secret that the operator chose for the control resource; empty for none.

    :raises SettingsError: for one that is weak, or that no header can have.
    """
    secret = os.environ.get(_SECRET, "")
    if not secret:
        return ""
    fault = weakness(secret)
    if secret != secret.strip() or not (secret.isascii() and secret.isprintable()):
        fault = "no header can have: use printable ASCII characters, and no spaces around them"
    if fault is not None:
        raise SettingsError(
            f"{_SECRET} is a secret that {fault}; `hyperapi keys new` makes a good one"
        )
    return secret


def prepare(folder: Path, host: str, port: int) -> Settings:
    """Create an empty database in a folder, and pass it to the worker in the environment."""
    os.environ |= {**CHOSEN, **read_environment(), **APART}
    os.environ |= {
        "HYPERAPI_INSTANCE": str(folder),
        "HYPERAPI_DATABASE_URL": f"sqlite:///{folder}/hyperapi.db",
        "HYPERAPI_SECRET_KEYS": secrets.token_urlsafe(32),
        "HYPERAPI_HOST": host,
        "HYPERAPI_PORT": str(port),
        _FOLDER: str(folder),
    }
    settings = Settings.read()
    migrations.upgrade(settings.database_url, schemas=installation.schemas(settings))
    shutil.copyfile(settings.database_file, _template(settings))
    return settings


def _template(settings: Settings) -> Path:
    """Return the path of the migrated database without data."""
    return settings.database_file.with_name("template.db")


def application() -> Flask:
    """Create the application of the worker, which ends with its main process."""
    obey_main_process(_give_up)
    settings, names = Settings.read(), hosts.read_names(os.environ[_HOST_NAMES])
    app = sandbox_app(settings, _template(settings), os.environ[_SECRET], names)
    log = logging.getLogger("hyperapi")
    log.setLevel(logging.WARNING)
    log.addHandler(logging.StreamHandler())
    log.addHandler(state_of(app)[RequestLines])
    return app


def _stop() -> None:
    """End in order."""
    os.kill(os.getpid(), signal.SIGTERM)


def _give_up() -> None:
    """End at once and clean up, because the main process may be gone."""
    shutil.rmtree(os.environ[_FOLDER], ignore_errors=True)
    os._exit(0)


def _address(host: str) -> str:
    """Resolve the address to listen on.

    :raises SettingsError: for an unknown name.
    """
    try:
        return hosts.resolve(host)
    except OSError as error:
        raise SettingsError(f"--host {host} cannot be used: {error.strerror}") from None


def _near(host: str) -> str:
    """Return the host by which this machine connects to a sandbox on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not listened on


@contextmanager
def _port(address: str, wanted: int) -> Iterator[int]:
    """Reserve a port against other sandboxes during the block.

    The server shares its port with any program that asks for it, so the port is first bound without
    sharing.

    :raises SettingsError: when the port is used.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as alone:
            alone.bind((address, wanted))
            port = int(alone.getsockname()[1])
    except OSError as error:
        raise SettingsError(f"port {wanted} cannot be used: {error.strerror}") from None
    with socket.socket(family) as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind((address, port))
        yield port


def _announce(host: str, port: int, line: object) -> None:
    """Print the line when the server answers. End when no process reads it."""
    deadline = time.monotonic() + _PATIENCE
    while not _answers(host, port):
        if time.monotonic() > deadline:
            sys.stderr.write("hyperapi: the sandbox does not answer\n")
            _stop()
            return
        time.sleep(0.02)
    try:
        print(json.dumps(line), flush=True)
    except OSError:  # the parent process ended before we started
        _stop()


def _answers(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _end_with(parent: int) -> None:
    """Stop when this process gets another parent, because its own has ended."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    _stop()


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
