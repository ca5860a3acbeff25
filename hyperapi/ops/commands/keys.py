"""``hyperapi keys``: list, generate and remove secret keys."""

import secrets

import click

from hyperapi.common.secret_keys import fingerprint


@click.group(invoke_without_command=True)
@click.pass_context
def keys(context: click.Context) -> None:
    """List the secret keys by fingerprint, with the number of live sessions that each signed."""
    if context.invoked_subcommand is None:
        _list_keys()


def _list_keys() -> None:
    from hyperapi.ops import accounts, installation

    state = installation.open_state()
    signed = accounts.live_sessions_by_key(state)
    for key in state.settings.secret_keys:
        signs = key == state.settings.secret_keys[-1]
        role = "signs and verifies" if signs else "verifies"
        name = fingerprint(key)
        click.echo(f"{name}  {signed.pop(name, 0):6} live sessions  {role}")
    lost = sum(signed.values())
    if lost:
        click.echo(f"{'(no longer there)':16}  {lost:6} live sessions  their tokens are void")


@keys.command("new")
def new_secret_key() -> None:
    """Generate a key. It signs from the next start on, and older keys still verify."""
    from hyperapi.ops import installation
    from hyperapi.settings import KeysError

    key = secrets.token_urlsafe(32)
    try:
        settings = installation.read_settings()
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
    from hyperapi.ops import installation

    settings = installation.read_settings()
    if not settings.uses_key_file:
        raise click.ClickException("The keys come from HYPERAPI_SECRET_KEYS: remove it there.")
    left = tuple(key for key in settings.secret_keys if fingerprint(key) != fingerprint_)
    if left == settings.secret_keys:
        raise click.ClickException(f"There is no key {fingerprint_}.")
    if not left:
        raise click.ClickException("This is the only key. Generate one first: hyperapi keys new")
    settings.write_key_file(left)
    click.echo(f"{fingerprint_} is removed. Restart for this to take effect.")
