"""``hyperapi serve`` and ``hyperapi doctor``: run the service, and examine it."""

import click


@click.command()
def serve() -> None:
    """Migrate the embedded database, and serve the API."""
    from hyperapi.ops import worker_memory

    worker_memory.keep_little_in_granian()
    from hyperapi.ops import installation, serving

    settings = installation.read_settings()
    serving.check_address(settings.host, settings.port, "HYPERAPI_HOST and HYPERAPI_PORT")
    if settings.embedded:
        installation.upgrade_apart(settings)
    serving.serve(settings)


@click.command("doctor")
@click.argument("url", required=False)
@click.option("--strict", is_flag=True, help="Warnings count as failures.")
@click.pass_context
def examine(context: click.Context, url: str | None, strict: bool) -> None:
    """Examine the settings, the database, and the service at its public URL (or at URL).

    The exit status is 1 when a check fails.
    """
    from hyperapi.ops import doctor, installation
    from hyperapi.ops.doctor import Level

    settings = installation.read_settings()
    worst = {Level.GOOD}
    for finding in doctor.examine(settings, url or settings.base_url):
        click.echo(f"{finding.level.value:4}  {finding.line}")
        worst.add(finding.level)
    context.exit(1 if Level.BAD in worst or (strict and Level.DOUBTFUL in worst) else 0)
