"""``hyperapi new``: write files for the author of an extension."""

import click


@click.group()
def new() -> None:
    """Write files for an extension that you develop."""


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
