"""Sign in and out: ``hyper login``, ``register``, ``logout``, ``whoami``."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from hyperapi_client import ClientError, Forbidden, NoSuchForm, Unauthorized, Unreachable

from hyper.accounts import Credentials, credentials_file, read_private
from hyper.context import CommandContext
from hyper.failures import FILE, NOT_ALLOWED, TOKEN, UNREACHABLE, URL, USAGE, Failure, about_file
from hyper.group import command, hyper

if TYPE_CHECKING:
    from hyperapi_client import Client

_LOCAL = ("localhost", "127.0.0.1", "::1")

url_argument = click.argument("url", required=False, envvar=URL)
username_option = click.option("--username", "-u", help="Your user name; asked for by default.")
password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)


@command(hyper, "login")
@url_argument
@username_option
@password_option
@click.option("--password", "by_password", is_flag=True, help="Ask for the password here.")
def login(
    ctx: CommandContext,
    url: str | None,
    username: str | None,
    password_stdin: bool,
    by_password: bool,
) -> None:
    """Sign in at URL: on a page of the server, in your browser.

    The browser must be on this machine. Elsewhere use --password, and type your password here.
    The tokens are stored in a file that only you can read. Without URL the command uses
    HYPERAPI_URL, or the server where you are signed in.
    """
    client = _client(ctx, url)
    if not (by_password or username or password_stdin) and "authorize" in client.root().links:
        _ask_only_people("--username")
        _sign_in_by_browser(ctx, client, url)
        return
    name = asked_name(username)
    _sign_in(ctx, client, url, name, asked_password(password_stdin))


@command(hyper, "register")
@url_argument
@username_option
@password_option
@click.option("--email", help="Your e-mail address.")
def register(
    ctx: CommandContext,
    url: str | None,
    username: str | None,
    password_stdin: bool,
    email: str | None,
) -> None:
    """Register a user at URL, and sign in."""
    client = _client(ctx, url)
    name = asked_name(username)
    password = asked_password(password_stdin, confirm=True)
    client.register(name, password, **({"email": email} if email else {}))
    try:
        _sign_in(ctx, client, url, name, password)
    except (ClientError, Failure):
        ctx.screen.note(f"You are registered as {name.lower()}, but not signed in.")
        raise


@command(hyper, "logout")
def logout(ctx: CommandContext) -> None:
    """Sign out: end the session, and delete its tokens.

    Tokens made by `hyper tokens create` in this session end with it.
    """
    kept = read_private(credentials_file())
    if not kept.get("root"):
        raise Failure("You are not signed in.", NOT_ALLOWED)
    keeper = Credentials(kept["root"])
    try:
        ctx.client_at(kept["root"], keeper=keeper, retries=0).logout()
    except (Unauthorized, NoSuchForm):
        keeper.save(None)  # the session has ended already
    except Unreachable as error:
        keeper.save(None)
        raise Failure(
            f"Your tokens are deleted here, but the session continues at the server: {error}",
            UNREACHABLE,
            "Sign in again later and end it: hyper tokens revoke",
        ) from None
    ctx.screen.say("Signed out.")


@command(hyper, "whoami")
def whoami(ctx: CommandContext) -> None:
    """Show who is signed in, and where."""
    root = ctx.client.root()
    if "user" not in root.links:
        raise Failure(f"You are not signed in at {root.uri}.", NOT_ALLOWED, "Sign in: hyper login")
    name = ctx.account.username
    if ctx.screen.as_json:
        who = {"username": name or None, "uri": root.links["user"].href, "root": root.uri}
        ctx.screen.json(who)
    else:
        ctx.screen.say(f"{name or 'The owner of the token'} at {root.uri}")


def _client(ctx: CommandContext, url: str | None) -> Client:
    """Return a client for the server to sign in at."""
    url = url or read_private(credentials_file()).get("root")
    if not url:
        hint = "For example: hyper login https://todo.example.org"
        raise Failure("Give the URL of the server.", USAGE, hint)
    client = ctx.client_at(url)
    client.root()
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        ctx.screen.note(f"{url} is not encrypted: others can read your password on the way.")
    return client


def _sign_in(
    ctx: CommandContext, client: Client, url: str | None, name: str, password: str
) -> None:
    client.login(name, password, label=f"hyper on {socket.gethostname()}"[:100])
    _store(ctx, client, url, name)


def _sign_in_by_browser(ctx: CommandContext, client: Client, url: str | None) -> None:
    from hyper import browser

    browser.sign_in(client, ctx.screen.note)
    try:
        user = client.follow("user")
    except Forbidden:  # the user did not permit the scope account
        name = ""
    else:
        name = str(user.username)
    _store(ctx, client, url, name)


def _store(ctx: CommandContext, client: Client, url: str | None, name: str) -> None:
    """Store the tokens of a client, and say so."""
    root, tokens = client.root(), client.tokens
    assert tokens is not None, "signing in gives tokens"
    who = {"root": root.uri, "url": url or root.uri, "username": name.lower()}
    try:
        Credentials(root.uri).write(who, tokens)
    except OSError as error:
        client.logout()  # the tokens of this session are lost
        raise Failure(
            "You are not signed in: the tokens cannot be stored.", FILE, f"{about_file(error)}."
        ) from error
    as_name = f" as {who['username']}" if name else ""
    ctx.screen.say(f"Signed in{as_name} at {root.uri}.", root.state)
    if os.environ.get(TOKEN):
        ctx.screen.note(f"{TOKEN} is set and is used instead, until you unset it.")


def asked_name(given: str | None) -> str:
    """Return the user name from the option, or ask for it."""
    if not given:
        _ask_only_people("--username")
    return given or str(click.prompt("User name", err=True))


def asked_password(from_stdin: bool, *, confirm: bool = False) -> str:
    """Read a password from standard input, or ask for it.

    :param confirm: ask twice, for a new password.
    """
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    _ask_only_people("--password-stdin")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True))


def _ask_only_people(option: str) -> None:
    """:raises Failure: when standard input is not a terminal."""
    if not sys.stdin.isatty():
        raise Failure("Cannot ask: this is not a terminal.", USAGE, f"Add {option}.")
