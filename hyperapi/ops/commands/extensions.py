"""``hyperapi extensions``: what is installed and loaded."""

import click


@click.command()
def extensions() -> None:
    """List the installed extensions: name, package, whether loaded, migration and resources."""
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
