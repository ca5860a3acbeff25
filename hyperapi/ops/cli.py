"""The command ``hyperapi`` for operators: serving, migration, backup, users and keys."""

import json
import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import Flask
from sqlalchemy import bindparam, delete, func, select, update

from hyperapi.app import create_app
from hyperapi.auth.passwords import Passwords
from hyperapi.common import private_files
from hyperapi.common.clock import now, write_instant
from hyperapi.common.secret_keys import fingerprint
from hyperapi.http.openapi import document
from hyperapi.http.problems import Problem
from hyperapi.http.routes import operations
from hyperapi.ops import doctor
from hyperapi.ops.doctor import Level
from hyperapi.ops.serving import check_address
from hyperapi.ops.serving import serve as start_serving
from hyperapi.resources import ROUTES
from hyperapi.resources.users import Registration, create_user
from hyperapi.settings import KeysError, Settings, SettingsError, unknown_settings
from hyperapi.state import state_of
from hyperapi.storage import backup, migrations
from hyperapi.storage.database import Busy, Database, Statement, Transaction, UnusableDatabase
from hyperapi.storage.dialects import dialect_for
from hyperapi.storage.models import Session, User
from hyperapi.storage.retention import RULES, purge


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperapi")
def commands() -> None:
    """hyperapi, a hypermedia to-do API. Settings come from the environment and from .env."""


def main() -> None:
    """Run a command. Expected errors are one line with exit status 1."""
    try:
        commands()
    except (SettingsError, Busy, migrations.MigrationError, backup.BackupError) as error:
        sys.exit(f"hyperapi: {error}")


@commands.command()
def serve() -> None:
    """Migrate the embedded database, and serve the API."""
    settings = _settings()
    check_address(settings.host, settings.port, "HYPERAPI_HOST and HYPERAPI_PORT")
    if settings.embedded:
        _upgrade(settings)
    start_serving(settings)


@commands.command()
def upgrade() -> None:
    """Migrate the database to the schema of this version."""
    _upgrade(_settings())
    click.echo("The database is up to date.")


@commands.command("doctor")
@click.argument("url", required=False)
@click.option("--strict", is_flag=True, help="Warnings count as failures.")
@click.pass_context
def examine(context: click.Context, url: str | None, strict: bool) -> None:
    """Examine the settings, the database, and the service at its public URL (or at URL).

    The exit status is 1 when a check fails.
    """
    settings = _settings()
    served = url or settings.public_url or f"http://{settings.host}:{settings.port}"
    worst = {Level.GOOD}
    for finding in doctor.examine(settings, served):
        click.echo(f"{finding.level.value:4}  {finding.line}")
        worst.add(finding.level)
    context.exit(1 if Level.BAD in worst or (strict and Level.DOUBTFUL in worst) else 0)


@commands.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def back_up(file: Path) -> None:
    """Back up the embedded database to FILE, while the service runs.

    For PostgreSQL use pg_dump. The backup does not contain the secret keys.
    """
    with _progress("Copying") as progress:
        backup.back_up(_settings(), file, progress)
    click.echo(f"{file} contains everything except the secret keys.")


@commands.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def restore(file: Path, yes: bool) -> None:
    """Restore the embedded database from FILE. Later changes are lost.

    The service may keep running.
    """
    settings = _settings()
    if not yes:
        click.confirm("Everything newer than the backup will be lost. Continue?", abort=True)
    with _progress("Restoring") as progress:
        backup.restore(settings, file, progress)
    _upgrade(settings)
    state = state_of(_app())
    backup.invalidate_client_state(state[Database])
    click.echo(f"The database is restored from {file}.")


@commands.command("restored")
def restored() -> None:
    """After a restore of PostgreSQL: invalidate the cursors and ETags that clients have.

    Run it once, after `hyperapi upgrade` and before you admit clients.
    """
    state = state_of(_app())
    backup.invalidate_client_state(state[Database])
    click.echo("Clients start their change feeds and caches again.")


@contextmanager
def _progress(label: str) -> Iterator[backup.Progress]:
    """Show a progress bar. The value is a function that advances it."""
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield show


@commands.group()
def users() -> None:
    """Create, list and disable users, and set passwords."""


@users.command("create")
@click.argument("username")
@click.option("--email", help="The user's e-mail address.")
@click.password_option(help="Prompted for by default.")
def create(username: str, email: str | None, password: str) -> None:
    """Create a user, even when registration is closed."""
    state = state_of(_app())
    try:
        new = Registration.of({"username": username, "password": password, "email": email})
        made = create_user(state, new)
    except Problem as problem:
        raise click.ClickException(_describe(problem)) from None
    click.echo(f"{made.username} can sign in now.")


@users.command("list")
def list_users() -> None:
    """List users: name, creation time, and whether disabled."""
    state = state_of(_app())
    for name, made, off in state[Database].read(lambda tx: _ALL_USERS.rows(tx, {})):
        click.echo(f"{name:32} {write_instant(made):28} {'disabled' if off else 'active'}")


@users.command("disable")
@click.argument("username")
@click.option("--undo", is_flag=True, help="Enable the user again.")
def disable(username: str, undo: bool) -> None:
    """Disable a user and end all of the user's sessions. Use --undo to enable the user again."""
    state = state_of(_app())
    if not state[Database].write(lambda tx: _disable(tx, username.lower(), not undo)):
        raise click.ClickException(f"There is no user {username}.")
    click.echo(f"{username} is {'active' if undo else 'disabled'} now.")


@users.command("password")
@click.argument("username")
@click.password_option(help="Prompted for by default.")
def give_password(username: str, password: str) -> None:
    """Set a user's password and end all of the user's sessions."""
    state = state_of(_app())
    try:
        new = Registration.of({"username": username, "password": password})
    except Problem as problem:
        raise click.ClickException(_describe(problem)) from None
    hashed = state[Passwords].hash(new.password)
    if not state[Database].write(lambda tx: _give_password(tx, new.username, hashed)):
        raise click.ClickException(f"There is no user {new.username}.")
    click.echo(f"{new.username} can sign in with the new password. All sessions have ended.")


@commands.group(invoke_without_command=True)
@click.pass_context
def keys(context: click.Context) -> None:
    """List the secret keys by fingerprint, with the number of live sessions that each signed."""
    if context.invoked_subcommand is not None:
        return
    settings = _settings()
    state = state_of(_app())
    signed = dict(state[Database].read(lambda tx: _SESSIONS_BY_KEY.rows(tx, {"moment": now()})))
    for key in settings.secret_keys:
        role = "signs and verifies" if key == settings.secret_keys[-1] else "verifies"
        name = fingerprint(key)
        click.echo(f"{name}  {signed.pop(name, 0):6} live sessions  {role}")
    lost = sum(signed.values())
    if lost:
        click.echo(f"{'(no longer there)':16}  {lost:6} live sessions  their tokens are void")


@keys.command("new")
def new_secret_key() -> None:
    """Generate a key. It signs from the next start on, and older keys still verify."""
    key = secrets.token_urlsafe(32)
    try:
        settings = _settings()
    except KeysError as error:
        click.echo(f"hyperapi: {error}", err=True)
        click.echo("Put this key into HYPERAPI_SECRET_KEYS, and restart:", err=True)
        click.echo(key)
        return
    if settings.uses_key_file:
        settings.write_key_file((*settings.secret_keys, key))
        click.echo(f"{fingerprint(key)} is in {settings.key_file}. Restart to sign with it.")
    else:
        click.echo("Append this key to HYPERAPI_SECRET_KEYS, and restart:", err=True)
        click.echo(key)


@keys.command("remove")
@click.argument("fingerprint_", metavar="FINGERPRINT")
def remove_secret_key(fingerprint_: str) -> None:
    """Remove a key. The tokens that it signed are invalid from the next start on."""
    settings = _settings()
    if not settings.uses_key_file:
        raise click.ClickException("The keys come from HYPERAPI_SECRET_KEYS: remove it there.")
    left = tuple(key for key in settings.secret_keys if fingerprint(key) != fingerprint_)
    if left == settings.secret_keys:
        raise click.ClickException(f"There is no key {fingerprint_}.")
    if not left:
        raise click.ClickException("This is the only key. Generate one first: hyperapi keys new")
    settings.write_key_file(left)
    click.echo(f"{fingerprint_} is removed. Restart for this to take effect.")


@commands.command("purge")
def purge_all() -> None:
    """Delete expired rows now."""
    state = state_of(_app())
    for rule in RULES:
        total = 0
        while gone := purge(state, rule):
            total += gone
            click.echo(f"\r{total} {rule.name}", nl=False, err=True)
        click.echo(f"\r{total} {rule.name}", err=True)


@commands.command()
def routes() -> None:
    """List every operation: method, path, required access, and summary."""
    for operation in operations(ROUTES):
        click.echo(
            f"{operation.method:7} {operation.route.path:36} {operation.scope:12} "
            f"{operation.summary}"
        )


@commands.command()
@click.option("--base", help="Scheme, host and prefix of the URIs; default: as served.")
def openapi(base: str | None) -> None:
    """Print the OpenAPI document."""
    if base is None:
        settings = _settings()
        base = settings.public_url or f"http://{settings.host}:{settings.port}"
    click.echo(json.dumps(document(ROUTES, base.rstrip("/")), indent=2, ensure_ascii=False))


def _settings() -> Settings:
    for name in unknown_settings(os.environ):
        click.echo(f"hyperapi: {name} is not a setting of this version", err=True)
    settings = Settings.read()
    dialect_for(settings)  # fails when the driver is missing
    return settings


def _app() -> Flask:
    """Create an application on a migrated database."""
    logging.getLogger("hyperapi").setLevel(logging.WARNING)
    settings = _settings()
    if (
        settings.embedded
        and not settings.database_file.exists()
        and settings.database_file.parent.exists()
    ):
        raise click.ClickException("There is no database yet: run hyperapi upgrade first")
    app = create_app(settings)
    try:
        state_of(app)[Database].migration()
    except UnusableDatabase as error:
        if "hyperapi upgrade" in str(error):
            raise click.ClickException(
                "The database is not up to date: run hyperapi upgrade first"
            ) from None
        raise
    except Busy as error:
        raise click.ClickException(f"The database is not available: {error}") from None
    return app


def _upgrade(settings: Settings) -> None:
    if settings.embedded:
        settings.database_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.uses_key_file and private_files.tighten(settings.key_file):
        click.echo(f"hyperapi: others could read {settings.key_file}: generate a new key", err=True)
    migrations.upgrade(settings.database_url)


def _disable(tx: Transaction, username: str, disabled: bool) -> bool:
    """Disable or enable a user. Return whether the user exists. Old sessions stay ended."""
    found = _DISABLE.run(tx, {"name": username, "wanted": disabled})
    if disabled:
        _END_SESSIONS.run(tx, {"name": username})
    return found == 1


def _give_password(tx: Transaction, username: str, hashed: str) -> bool:
    """Set a password and end all sessions. Return whether the user exists."""
    found = _CHANGE_PASSWORD.run(tx, {"name": username, "hashed": hashed})
    _END_SESSIONS.run(tx, {"name": username})
    return found == 1


def _describe(problem: Problem) -> str:
    errors = problem.members.get("errors", ())
    if not errors:
        return f"{problem.title}. {problem}"
    return "; ".join(f"{error['pointer'].lstrip('/')} {error['detail']}" for error in errors)


_ALL_USERS = Statement(
    select(User.username, User.created_at, User.disabled)
    .where(User.deleted_at.is_(None))
    .order_by(User.username)
)
_SESSIONS_BY_KEY = Statement(
    select(Session.signed_by, func.count())
    .where(Session.expires_at > bindparam("moment"))
    .group_by(Session.signed_by)
)
_DISABLE = Statement(
    update(User).where(User.username == bindparam("name")).values(disabled=bindparam("wanted"))
)
_CHANGE_PASSWORD = Statement(
    update(User).where(User.username == bindparam("name")).values(password_hash=bindparam("hashed"))
)
_END_SESSIONS = Statement(
    delete(Session).where(
        Session.owner
        == select(User.key).where(User.username == bindparam("name")).scalar_subquery()
    )
)
