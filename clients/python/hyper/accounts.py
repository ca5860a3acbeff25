"""The account of a command: from the environment, or from a file that only its owner can read."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click
from hyperapi_client import InMemory, Keeper, Tokens

from hyper.failures import NOT_ALLOWED, TOKEN, URL, Failure


def folder() -> Path:
    """Return the folder of the command's files."""
    return Path(click.get_app_dir("hyperapi"))


@dataclass(frozen=True)
class Account:
    """A user at a server.

    :param root: the URL of the API's root.
    :param username: empty when only a token is known.
    """

    root: str
    username: str
    keeper: Keeper

    @property
    def identity(self) -> str:
        """A digest of server and user, which names the account's files."""
        tokens = self.keeper.load()
        who = self.username or (tokens.uri or tokens.access if tokens else "")
        return sha256(f"{self.root}\n{who}".encode()).hexdigest()[:16]


class Credentials:
    """The tokens of the last sign-in, in a file. Commands that run at the same time share it: one
    refreshes the tokens, and the others read them."""

    def __init__(self, root: str, path: Path | None = None) -> None:
        self._root = root
        self._path = path or credentials_file()

    def load(self) -> Tokens | None:
        """Return the tokens for this server."""
        kept = read_private(self._path)
        if kept.get("root") != self._root or not kept.get("access_token"):
            return None
        others = (kept.get("session_uri", ""), kept.get("client_id", ""))
        return Tokens(kept["access_token"], kept.get("refresh_token"), *others)

    def save(self, tokens: Tokens | None) -> None:
        """Replace the stored tokens; None deletes them."""
        if tokens is None:
            self._path.unlink(missing_ok=True)
            return
        kept = read_private(self._path)
        names = {"username": kept.get("username", "")} if kept.get("root") == self._root else {}
        self.write({**names, "root": self._root}, tokens)

    def write(self, who: Mapping[str, str], tokens: Tokens) -> None:
        """Store tokens and the names of their server and user."""
        secrets = {
            "access_token": tokens.access,
            "refresh_token": tokens.refresh,
            "session_uri": tokens.uri,
            "client_id": tokens.client_id,
        }
        write_private(self._path, {**who, **secrets})

    def turn(self) -> AbstractContextManager[object]:
        """A context in which no other command refreshes the tokens."""
        return locked(self._path.with_suffix(".lock"))


def credentials_file() -> Path:
    """Return the path of the file with the tokens."""
    return folder() / "credentials.json"


def current(environment: Mapping[str, str] = os.environ) -> Account:
    """Return the account that commands use.

    :raises Failure: when nobody is signed in.
    """
    kept = read_private(credentials_file())
    root = environment.get(URL) or kept.get("root", "")
    if not root:
        raise Failure(
            "You are not signed in.", NOT_ALLOWED, f"Sign in: hyper login URL (or set {URL})"
        )
    token = environment.get(TOKEN, "").strip()  # without the line end of a file
    if token:
        return Account(root, "", InMemory(Tokens(token)))
    if root.rstrip("/") in (kept.get("root", "").rstrip("/"), kept.get("url", "").rstrip("/")):
        return Account(kept["root"], kept.get("username", ""), Credentials(kept["root"]))
    return Account(root, "", InMemory())


def read_private(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; empty when the file is missing or is not a JSON object."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that only its owner can read, atomically.

    :raises OSError: with the file's name.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile("w", dir=path.parent, delete=False) as draft:  # made with mode 0600
            try:
                json.dump(content, draft, indent=1)
                draft.close()
                os.replace(draft.name, path)
            except BaseException:
                Path(draft.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A context that one command at a time enters.

    :param path: a file for the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
