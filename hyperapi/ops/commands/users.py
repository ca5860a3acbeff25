"""``hyperapi users``: create, list and disable users, and set passwords."""

import click


@click.group()
def users() -> None:
    """Create, list and disable users, and set passwords."""


@users.command("create")
@click.argument("username")
@click.option("--email", help="The user's e-mail address.")
@click.password_option(help="Prompted for by default.")
def create(username: str, email: str | None, password: str) -> None:
    """Create a user, even when registration is closed."""
    from hyperapi.ops import accounts, installation

    name = accounts.create(installation.open_state(), username, email, password)
    click.echo(f"{name} can sign in now.")


@users.command("list")
def list_users() -> None:
    """List users: name, creation time, and whether disabled."""
    from hyperapi.common.clock import write_instant
    from hyperapi.ops import accounts, installation

    for name, made, off in accounts.all_users(installation.open_state()):
        click.echo(f"{name:32} {write_instant(made):28} {'disabled' if off else 'active'}")


@users.command("disable")
@click.argument("username")
@click.option("--undo", is_flag=True, help="Enable the user again.")
def disable(username: str, undo: bool) -> None:
    """Disable a user and end all of the user's sessions. Use --undo to enable the user again."""
    from hyperapi.ops import accounts, installation

    accounts.disable(installation.open_state(), username, disabled=not undo)
    click.echo(f"{username} is {'active' if undo else 'disabled'} now.")


@users.command("password")
@click.argument("username")
@click.password_option(help="Prompted for by default.")
def give_password(username: str, password: str) -> None:
    """Set a user's password and end all of the user's sessions."""
    from hyperapi.ops import accounts, installation

    name = accounts.give_password(installation.open_state(), username, password)
    click.echo(f"{name} can sign in with the new password. All sessions have ended.")


@users.command("recover")
@click.argument("username")
def recover(username: str) -> None:
    """Print a link with which a user sets a new password, once, in the next 30 minutes.

    The address in it is HYPERAPI_PUBLIC_URL.
    """
    from hyperapi.ops import accounts, installation

    click.echo(accounts.recovery_link(installation.open_state(), username))
