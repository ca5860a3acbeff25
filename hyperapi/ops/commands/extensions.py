"""``hyperapi extensions``: what is installed and loaded, and the removal of tables."""

import click


@click.group(invoke_without_command=True)
@click.pass_context
def extensions(context: click.Context) -> None:
    """List the installed extensions: name, package, whether loaded, migration and resources."""
    if context.invoked_subcommand is not None:
        return
    from hyperapi.ops.extensions import installed_extensions
    from hyperapi.ops.installation import read_settings

    found = installed_extensions(read_settings())
    for each in found:
        state = "loaded" if each.loaded else "not loaded"
        at = (each.schema and each.schema.expected) or "-"
        shown = each.problem or ", ".join(each.resources) or "-"
        click.echo(f"{each.name:16} {each.package:32} {state:10}  {at:20} {shown}")
    if not found:
        click.echo("No extension is installed.", err=True)


@extensions.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def drop(name: str, yes: bool) -> None:
    """Drop the tables of the extension NAME, with all rows of all users.

    First take NAME out of HYPERAPI_EXTENSIONS and restart every server. Its package must still be
    installed.
    """
    from hyperapi.ops import drop_extension
    from hyperapi.ops.installation import read_settings

    settings = read_settings()
    rows = drop_extension.rows_of(settings, name)
    if not yes:
        told = ", ".join(f"{table} ({number} rows)" for table, number in rows.items())
        click.confirm(f"This drops {told}. It cannot be undone. Continue?", abort=True)
    drop_extension.drop(settings, name)
    click.echo(f"The tables of the extension {name} are dropped. You can uninstall its package.")
