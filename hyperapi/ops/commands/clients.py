"""``hyperapi clients``: register, list and remove apps that users may grant access to."""

import click


@click.group()
def clients() -> None:
    """Register, list and remove apps that users may grant access to (OAuth 2.1 clients)."""


@clients.command("add")
@click.argument("name")
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    required=True,
    help="Where the browser returns to the app. Repeat it for several.",
)
def add(name: str, redirect_uris: tuple[str, ...]) -> None:
    """Register the app NAME, and print its client id.

    A redirect URI is https, http of this machine, or has a private scheme such as org.example.app:.
    It must be equal in each request. Only the port of 127.0.0.1 and [::1] may differ.
    """
    from hyperapi.ops import installation, oauth_clients

    client = oauth_clients.add(installation.open_state(), name, redirect_uris)
    click.echo(client.id)


@clients.command("list")
def list_clients() -> None:
    """List the apps: client id, name, creation time, and redirect URIs."""
    from hyperapi.common.clock import write_instant
    from hyperapi.ops import installation, oauth_clients

    for each in oauth_clients.all_clients(installation.open_state()):
        made = "built in" if each.created_at is None else write_instant(each.created_at)
        click.echo(f"{each.id:36}  {each.name:24} {made:28} {' '.join(each.redirect_uris)}")


@clients.command("remove")
@click.argument("client_id")
def remove(client_id: str) -> None:
    """Remove the app CLIENT_ID. Its codes are void, and its sessions end."""
    from hyperapi.ops import installation, oauth_clients

    ended = oauth_clients.remove(installation.open_state(), client_id)
    click.echo(f"{client_id} is removed. {ended} sessions have ended.")
