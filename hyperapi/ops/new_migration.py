"""``hyperapi new migration``: the next migration of an extension, from its models.

The models are compared with a temporary database that has all migrations so far.
"""

import re
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from alembic import command
from alembic.operations.ops import MigrationScript

from hyperapi.extension.extension import Extension, load
from hyperapi.settings import read_extensions
from hyperapi.storage import migrations
from hyperapi.storage.row_scope import table_of
from hyperapi.storage.schema import CORE, Schema

_NUMBER = re.compile(r"\d{4}")


def write(name: str, message: str, *, empty: bool = False, since: str = "") -> Path:
    """Write the next migration of an extension. Return its file.

    :param message: what it changes, in a few words.
    :param empty: whether to write one without steps.
    :param since: the number of the oldest code that works with it; empty when all does.
    :raises ClickException: when the models are as the migrations make them, or an argument is
        invalid.
    """
    if since and not _NUMBER.fullmatch(since):
        raise click.ClickException("--since takes the number of a migration, such as 0007.")
    loaded = load(dict.fromkeys([*read_extensions(), name]))
    [extension] = [each for each in loaded if each.name == name]
    schema = extension.schema
    if schema is None or schema.folder is None:
        raise click.ClickException(
            f"The extension {name} has no folder of migrations: set its `migrations`."
        )
    schema.folder.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="hyperapi-migration-") as folder:
        url = f"sqlite:///{folder}/hyperapi.db"
        known = [each.schema for each in loaded if each.schema and each.schema.expected]
        migrations.upgrade(url, schemas=[CORE, *known])
        return _write(url, extension, schema, message, empty, since)


def _write(
    url: str, extension: Extension, schema: Schema, message: str, empty: bool, since: str
) -> Path:
    settings = migrations.config(url, schema=schema)
    settings.attributes["tables"] = [table_of(each) for each in extension.all_models]
    settings.attributes["types"] = "hyperapi.extension"
    settings.cmd_opts = Namespace(quiet=True)  # we print the file ourselves

    def refuse_empty(_context: Any, _revision: Any, directives: list[MigrationScript]) -> None:
        upgrade = directives[0].upgrade_ops
        if not empty and (upgrade is None or upgrade.is_empty()):
            directives.clear()

    written = command.revision(
        settings,
        message,
        autogenerate=not empty,
        rev_id=schema.next_name(since),
        version_path=str(schema.folder),
        process_revision_directives=refuse_empty,
    )
    if written is None or isinstance(written, list):
        raise click.ClickException(
            f"The migrations of {extension.name} already make the tables of its models. For a "
            "migration that you write by hand add --empty."
        )
    return Path(written.path)
