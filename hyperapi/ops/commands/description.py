"""``hyperapi routes`` and ``hyperapi openapi``: describe the API."""

import json

import click


@click.command()
def routes() -> None:
    """List every operation: method, path, required access, and summary."""
    from hyperapi.ops import installation

    for operation in installation.route_table(installation.read_settings()).operations():
        click.echo(
            f"{operation.method:7} {operation.route.path:36} {operation.scope:12} "
            f"{operation.summary}"
        )


@click.command()
@click.option("--base", help="Scheme, host and prefix of the URIs; default: as served.")
def openapi(base: str | None) -> None:
    """Print the OpenAPI document."""
    from hyperapi.http.about import about
    from hyperapi.http.openapi import document
    from hyperapi.ops import installation

    settings = installation.read_settings()
    table = installation.route_table(settings)
    base = (base or settings.base_url).rstrip("/")
    click.echo(json.dumps(document(table, base, about(settings)), indent=2, ensure_ascii=False))
