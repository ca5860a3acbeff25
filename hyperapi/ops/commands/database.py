"""``hyperapi upgrade``, ``backup``, ``restore``, ``restored`` and ``purge``: the database."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click


@click.command()
def upgrade() -> None:
    """Migrate the database to the schema of this version."""
    from hyperapi.ops import installation

    installation.upgrade(installation.read_settings())
    click.echo("The database is up to date.")


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def back_up(file: Path) -> None:
    """Back up the embedded database to FILE, while the service runs.

    For PostgreSQL use pg_dump. The backup does not contain the secret keys.
    """
    from hyperapi.ops import installation
    from hyperapi.storage import backup

    settings = installation.read_settings()
    with _progress("Copying") as progress:
        backup.back_up(settings, file, progress, installation.schemas(settings))
    click.echo(f"{file} contains everything except the secret keys.")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def restore(file: Path, yes: bool) -> None:
    """Restore the embedded database from FILE. Later changes are lost.

    The service may keep running.
    """
    from hyperapi.ops import installation
    from hyperapi.storage import backup
    from hyperapi.storage.database import Database

    settings = installation.read_settings()
    if not yes:
        click.confirm("Everything newer than the backup will be lost. Continue?", abort=True)
    with _progress("Restoring") as progress:
        backup.restore(settings, file, progress, installation.schemas(settings))
    installation.upgrade(settings)
    backup.invalidate_client_state(installation.open_state()[Database])
    click.echo(f"The database is restored from {file}.")


@click.command("restored")
def restored() -> None:
    """After a restore of PostgreSQL: invalidate the cursors and ETags that clients have.

    Run it once, after `hyperapi upgrade` and before you admit clients.
    """
    from hyperapi.ops import installation
    from hyperapi.storage import backup
    from hyperapi.storage.database import Database

    backup.invalidate_client_state(installation.open_state()[Database])
    click.echo("Clients start their change feeds and caches again.")


@click.command("purge")
def purge() -> None:
    """Delete expired rows now."""
    from hyperapi.ops import installation
    from hyperapi.storage import retention

    state = installation.open_state()
    for rule in retention.RULES:
        total = 0
        while gone := retention.purge(state, rule):
            total += gone
            click.echo(f"\r{total} {rule.name}", nl=False, err=True)
        click.echo(f"\r{total} {rule.name}", err=True)


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar. The value is a function that advances it."""
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield show
