"""``hyperapi new``: write files for the author of an extension."""

from pathlib import Path

import click


@click.group()
def new() -> None:
    """Write files for an extension that you develop."""


@new.command("extension")
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="The folder of the package: a new or an empty one. By default ./NAME.",
)
@click.option("--one", default="", metavar="NAME", help="The name of one resource.")
def new_extension(name: str, directory: Path | None, one: str) -> None:
    """Write the package of a new extension NAME, with one resource, and tests that pass.

    NAME is a plural such as notes: the service then has a collection notes, and each resource in it
    is a note. Add --one where NAME is not a regular plural: press --one article.
    """
    from hyperapi.ops.new_extension import write
    from hyperapi.settings import read_extensions

    folder = write(name, directory, one)
    named = ",".join([*read_extensions(), name])
    shown = folder if folder.is_absolute() else f"./{folder}"  # pip installs what begins with ./
    click.echo(
        f"{folder} has the package of the extension {name}. Install it, test it, and serve it:\n\n"
        f"    python -m pip install -e '{shown}[test]'\n"
        f"    python -m pytest {shown}\n"
        f"    export HYPERAPI_EXTENSIONS={named}\n"
        "    hyperapi upgrade\n"
        "    hyperapi serve"
    )


@new.command()
@click.argument("extension")
@click.argument("message")
@click.option("--empty", is_flag=True, help="Write one without steps, to fill in by hand.")
@click.option("--since", default="", metavar="NUMBER", help="The oldest code that works with it.")
def migration(extension: str, message: str, empty: bool, since: str) -> None:
    """Write the next migration of EXTENSION: from its newest migration to its models.

    MESSAGE says in a few words what it changes. EXTENSION must be installed. The models are
    compared with a temporary database, so yours is not used.
    """
    from hyperapi.ops import new_migration

    click.echo(new_migration.write(extension, message, empty=empty, since=since))
