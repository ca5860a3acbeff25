"""``hyperapi routes`` and ``hyperapi openapi``: describe the API."""

import json

import click


@click.command()
def routes() -> None:
    """List every operation: method, path, required access, and summary."""
    from hyperapi.http.routes import operations
    from hyperapi.resources import ROUTES

    for operation in operations(ROUTES):
        click.echo(
            f"{operation.method:7} {operation.route.path:36} {operation.scope:12} "
            f"{operation.summary}"
        )


@click.command()
@click.option("--base", help="Scheme, host and prefix of the URIs; default: as served.")
def openapi(base: str | None) -> None:
    """Print the OpenAPI document."""
    from hyperapi.http.openapi import document
    from hyperapi.ops import installation
    from hyperapi.resources import ROUTES

    if base is None:
        base = installation.base_url(installation.read_settings())
    click.echo(json.dumps(document(ROUTES, base.rstrip("/")), indent=2, ensure_ascii=False))
