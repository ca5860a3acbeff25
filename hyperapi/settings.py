"""Every operator's choice: its name, type, default and meaning; the only reader of the environment.

A field ``access_token_lifetime`` is the variable ``HYPERAPI_ACCESS_TOKEN_LIFETIME``, read from the
environment or from a file ``.env`` in the working folder (the environment wins). ``.env.example``
holds every one with its default; a test keeps it so.
"""

import codecs
import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values
from limits import RateLimitItem, parse_many
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from werkzeug.sansio.utils import host_is_trusted

from hyperapi.common.secret_keys import weakness

PREFIX = "HYPERAPI_"
_OF_THE_CLIENT = {"HYPERAPI_URL", "HYPERAPI_TOKEN"}

_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE
)


_PREFIX_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)*")
_LONGEST_PREFIX = 200

_CONTACT = re.compile(
    r"(mailto:|https://)([A-Za-z0-9._~:/?#\[\]@!$&'()*+;=-]|%[0-9A-Fa-f]{2})+", re.IGNORECASE
)
"""Characters of a URI (RFC 3986) of the schemes that a security contact may have."""


class SettingsError(ValueError):
    """A setting that the service cannot start with; its text is one line that names it."""


class KeysError(SettingsError):
    """There is no key to sign with, or one of them is too weak."""


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    return value


def _words(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _boolean(value: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return known[value.strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _number(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", value.strip()) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return parse


def _quota(value: str) -> int:
    """A number; 0 when there is no limit."""
    return _number(0, 10**10 - 1)(value) if value.strip() else 0


def _limits(value: str) -> tuple[RateLimitItem, ...]:
    try:
        return tuple(parse_many(value)) if value.strip() else ()
    except ValueError:
        raise ValueError("must be limits as 10/minute or 60/hour;5/second, or empty") from None


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return value

    return parse


def _is_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:  # not a number, or too high
        return False


def is_prefix(text: str) -> bool:
    """Is it a path that URIs may begin with? Segments of RFC 3986 without escapes and dots."""
    return len(text) <= _LONGEST_PREFIX and _PREFIX_PATH.fullmatch(text) is not None


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (
        parts.scheme not in ("http", "https")
        or not host_is_trusted(parts.netloc)  # that is, not well-formed
        or not _is_port(parts)
        or not is_prefix(parts.path.rstrip("/"))
        or parts.query
        or parts.fragment
    ):
        raise ValueError("must be as https://todo.example.org or https://example.org/todo")
    return value.rstrip("/")


def _origins(value: str) -> tuple[str, ...]:
    origins = _words(value)
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError("must be origins as https://app.example.org, or *")
    return origins


def _contacts(value: str) -> tuple[str, ...]:
    contacts = _words(value)
    if not all(_CONTACT.fullmatch(contact) and _is_contact(contact) for contact in contacts):
        raise ValueError(
            "must be URIs as mailto:security@example.org or https://example.org/security; "
            "write a comma inside one as %2C"
        )
    return contacts


def _is_contact(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:  # a bracket that is not closed
        return False
    if parts.scheme.lower() == "mailto":
        return re.fullmatch(r"[^@/]+@[^@/]+", parts.path) is not None
    return host_is_trusted(parts.netloc) and _is_port(parts)


def _with_one_host(url: str) -> str:
    """A URL of several hosts (``//a:5432,b:5432/name``, as libpq takes it), the way SQLAlchemy
    wants it: as parameters."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return url
    found = [re.fullmatch(r"(\[[^]]+\]|[^:]*)(?::([0-9]+))?", host) for host in hosts.split(",")]
    if not all(found):
        raise ValueError("no hosts")
    names = ",".join(each[1].strip("[]") for each in found if each)
    ports = ",".join(each[2] or "5432" for each in found if each)
    query = "&".join(filter(None, [f"host={names}&port={ports}", parts.query]))
    return f"{parts.scheme}://{user}{at}{parts.path}?{query}"


def _database_url(value: str) -> str:
    if not value:
        return value
    try:
        url = make_url(_with_one_host(value))
    except (ArgumentError, ValueError):
        raise ValueError("must be a URL as sqlite:///todo.db or postgresql://host/name") from None
    backend = {"postgres": "postgresql"}.get(url.drivername, url.drivername)
    if backend == "postgresql":
        backend = "postgresql+psycopg"
    if backend not in ("sqlite", "postgresql+psycopg"):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    if backend == "sqlite" and (not url.database or url.database == ":memory:"):
        raise ValueError("must name a file: every worker opens the database for itself")
    if backend == "sqlite":
        url = url.set(database=str(Path(url.database or "").absolute()))
    return url.set(drivername=backend).render_as_string(hide_password=False)


def _redis_url(value: str) -> str:
    if value and urlsplit(value).scheme not in ("redis", "rediss", "redis+sentinel", "redis+unix"):
        raise ValueError("must begin with redis:// or rediss://")
    return value


def _setting(
    default: str, parse: Callable[[str], Any], meaning: str, *, secret: bool = False
) -> Any:
    """A setting: its default and its parser, both in the terms of the environment."""
    return field(
        default=parse(default),
        repr=not secret,
        metadata={"default": default, "parse": parse, "help": meaning},
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator may choose. Durations are in seconds."""

    host: str = _setting("127.0.0.1", _text, "address that `hyperapi serve` listens on")
    port: int = _setting("5000", _number(0, 65535), "port that `hyperapi serve` listens on")
    workers: int = _setting("0", _number(0, 256), "worker processes; 0 is one per core")
    threads: int = _setting("4", _number(1, 1000), "requests that one worker works on at once")
    readers: int = _setting(
        "256", _number(0, 10000), "clients that may wait for changes at one worker"
    )
    instance: str = _setting("instance", _text, "folder of the embedded database and its key")
    database_url: str = _setting(
        "", _database_url, "database; empty is SQLite in the instance folder", secret=True
    )
    busy_timeout: int = _setting(
        "5", _number(1, 60), "how long a request waits for a busy database before it is told 503"
    )
    statement_timeout: int = _setting(
        "30", _number(1, 3600), "how long PostgreSQL may work on one statement"
    )
    database_connections: int = _setting(
        "0", _number(0, 1000), "connections that one worker keeps open at most; 0 is one per thread"
    )
    secret_keys: tuple[str, ...] = _setting(
        "",
        _words,
        "keys that sign tokens and cursors, comma-separated, oldest first: the last signs, all "
        "verify; each of 32 bytes or more, as `hyperapi keys new` makes them; with the embedded "
        "database, empty generates one and keeps it there",
        secret=True,
    )
    public_url: str = _setting(
        "", _public_url, "scheme, host and prefix of every URI; empty: as asked"
    )
    trusted_proxies: int = _setting(
        "0", _number(0, 10), "proxies in front whose X-Forwarded-For -Proto -Host -Prefix count"
    )
    trusted_hosts: tuple[str, ...] = _setting(
        "", _words, "what may be a Host, comma-separated, .example.org with all below; empty is any"
    )
    cors_origins: tuple[str, ...] = _setting("*", _origins, "origins whose scripts may use the API")
    registration: str = _setting(
        "open", _one_of("open", "closed"), "who may register: open or closed"
    )
    security_contact: tuple[str, ...] = _setting(
        "",
        _contacts,
        "where to report a vulnerability: mailto: or https: URIs, comma-separated, the preferred "
        "one first, for /.well-known/security.txt; empty is no such file",
    )
    access_token_lifetime: int = _setting("3600", _number(1, 86400), "life of an access token")
    refresh_token_lifetime: int = _setting(
        "2592000", _number(1), "life of a refresh token, and of a session that is not refreshed"
    )
    session_lifetime: int = _setting(
        "31536000",
        _number(1),
        "how long after the sign-in a session can still be refreshed; then its user signs in again",
    )
    refresh_replay_window: int = _setting(
        "30", _number(0, 3600), "how long a used refresh token still gives its successor"
    )
    fresh_login_lifetime: int = _setting(
        "600",
        _number(0),
        "how old a sign-in may be that deletes its account, or derives tokens that outlive its own "
        "access token",
    )
    max_sessions: int = _setting("100", _number(1, 500), "sessions that a user may have at once")
    max_lists: int = _setting("10000", _quota, "lists that a user may keep; empty is any number")
    max_tasks: int = _setting("250000", _quota, "tasks that a user may keep; empty is any number")
    max_text: int = _setting(
        "268435456",
        _quota,
        "bytes of titles, descriptions and tags that a user may keep; empty is any number",
    )
    max_bulk: int = _setting(
        "10000",
        _quota,
        "tasks that one request may change or delete, while others wait; empty is any number",
    )
    hashers: int = _setting("2", _number(1, 64), "password hashes computed at once by one worker")
    hashing_memory: int = _setting("19456", _number(8, 4194304), "KiB of memory that a hash takes")
    hashing_rounds: int = _setting("2", _number(1, 100), "passes that a hash makes over its memory")
    sign_in_limit: tuple[RateLimitItem, ...] = _setting(
        "10/minute", _limits, "failed sign-ins per name and client address"
    )
    sign_in_address_limit: tuple[RateLimitItem, ...] = _setting(
        "60/minute", _limits, "failed sign-ins per client address"
    )
    request_limit: tuple[RateLimitItem, ...] = _setting(
        "6000/minute", _limits, "requests per session"
    )
    register_limit: tuple[RateLimitItem, ...] = _setting(
        "20/hour", _limits, "registrations per client address"
    )

    rate_limit_storage: str = _setting(
        "",
        _redis_url,
        "redis://host:6379/0 for limits that nodes share; empty: the workers of one node do",
        secret=True,
    )
    drain_delay: int = _setting(
        "0", _number(0, 600), "how long `hyperapi serve` goes on after SIGTERM, no longer ready"
    )
    head_timeout: int = _setting(
        "30",
        _number(1, 3600),
        "how long a client may take for the head of a request, and leave a connection idle",
    )
    request_timeout: int = _setting(
        "60",
        _number(1, 86400),
        "how long a request may take from its head to its reply, its body included, and how long a "
        "client may leave a reply unread",
    )
    worker_timeout: int = _setting(
        "30",
        _number(0, 86400),
        "how long a worker may answer nothing before it is replaced; 0 is for ever",
    )
    metrics_host: str = _setting("127.0.0.1", _text, "address that metrics are served on")
    metrics_port: int = _setting(
        "0", _number(0, 65535), "port that metrics for Prometheus are served on; 0 is none"
    )
    require_if_match: bool = _setting(
        "false", _boolean, "refuse changes that do not say what they change (428)"
    )
    tombstone_lifetime: int = _setting(
        "2592000", _number(0), "how long the feed of changes tells what was deleted"
    )
    idempotency_lifetime: int = _setting(
        "86400", _number(0), "how long the first reply to an Idempotency-Key is kept"
    )

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The settings of this process: ``environment``, or the environment over ``.env``.

        :raises SettingsError: for a value that cannot be used, naming it.
        """
        if environment is None:
            environment = surroundings()
        chosen = {
            each.name: _parse(each, environment[variable(each)])
            for each in fields(cls)
            if variable(each) in environment
        }
        return cls(**chosen)

    def __post_init__(self) -> None:
        keep = object.__setattr__
        keep(self, "instance", str(Path(self.instance).absolute()))
        if not self.database_url:
            keep(self, "database_url", f"sqlite:///{self.instance}/hyperapi.db")
        if not self.secret_keys:
            keep(self, "secret_keys", self._kept_keys())
        else:
            _demand_strong(self.secret_keys, f"{PREFIX}SECRET_KEYS has")

    @property
    def embedded(self) -> bool:
        """Is the database a file of this machine, which this process may create?"""
        return self.database_url.startswith("sqlite:")

    @property
    def database_file(self) -> Path:
        """The file of the embedded database."""
        assert self.embedded, "only an embedded database is a file"
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def keeps_keys(self) -> bool:
        """Do the keys come from the file, rather than from a setting?"""
        return self.embedded and set(self.secret_keys) <= set(self._read_keys())

    def keep_keys(self, keys: tuple[str, ...]) -> None:
        """Write the ring of keys anew; it counts from the next start on."""
        draft = self.key_file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        _create_private(draft, "\n".join(keys) + "\n")
        draft.replace(self.key_file)

    def _read_keys(self) -> tuple[str, ...]:
        return tuple(read_text(self.key_file).split()) if self.key_file.exists() else ()

    @property
    def key_file(self) -> Path:
        """Where keys are kept that no setting gives: one to a line, oldest first."""
        return Path(self.instance, "secret_key")

    def _kept_keys(self) -> tuple[str, ...]:
        """The keys kept beside the embedded database, the first made at the first start."""
        if not self.embedded:
            raise KeysError(
                f"{PREFIX}SECRET_KEYS must be set when the database is not the embedded one; "
                "`hyperapi keys new` makes a key"
            )
        try:
            if not self.key_file.exists():
                self.key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _create_private(self.key_file, secrets.token_urlsafe(32) + "\n")
            keys = self._read_keys()
        except OSError as error:
            raise SettingsError(f"{PREFIX}INSTANCE cannot be used: {error}") from None
        if not keys:
            raise KeysError(f"{self.key_file} is empty; delete it, and the next start makes a key")
        _demand_strong(keys, f"{self.key_file} has")
        return keys


def surroundings() -> dict[str, str]:
    """The environment over ``.env``: where settings are looked for.

    :raises SettingsError: when that file cannot be read.
    """
    text = read_text(Path(".env")) if Path(".env").exists() else ""
    stored = {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}
    return {**stored, **os.environ}


def read_text(path: Path) -> str:
    """The text of a file that an operator wrote, which must be UTF-8; a byte order mark is left
    out.

    :raises SettingsError: naming the file, and its encoding where that can be told.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        found = _encoding_of(content) or f"not UTF-8 (byte {error.start + 1})"
        raise SettingsError(f"{path} is {found}: save it as UTF-8") from None
    if "\0" in text:
        encoding = _encoding_of(content)
        reason = f"is {encoding}: save it as UTF-8" if encoding else "holds a NUL character"
        raise SettingsError(f"{path} {reason}")
    return text


def _encoding_of(content: bytes) -> str | None:
    """The encoding of a file that is none in UTF-8, by how it begins."""
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "in UTF-32"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "in UTF-16"
    if content[1:2] == b"\0" != content[:1] or content[:1] == b"\0" != content[1:2]:
        return "in UTF-16"
    return None


def variable(setting: Field[Any]) -> str:
    """The environment variable of a field of :class:`Settings`."""
    return PREFIX + setting.name.upper()


def unknown_settings(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and are none: misspelt, or of another version."""
    known = {variable(each) for each in fields(Settings)} | _OF_THE_CLIENT
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _parse(setting: Field[Any], value: str) -> Any:
    try:
        return setting.metadata["parse"](value)
    except ValueError as error:
        raise SettingsError(f"{variable(setting)} {error}") from None


def _demand_strong(keys: tuple[str, ...], place: str) -> None:
    """Refuse weak keys, whether they sign or only verify: with either, tokens can be made up.

    :raises KeysError: for the first of them, by its number.
    """
    for number, key in enumerate(keys, 1):
        if (fault := weakness(key)) is not None:
            which = "a key" if len(keys) == 1 else f"a key (number {number})"
            raise KeysError(f"{place} {which} that {fault}; `hyperapi keys new` makes a good one")


def _create_private(path: Path, text: str) -> None:
    """Make a file that its owner alone may read; whole from its first moment, never replaced."""
    with NamedTemporaryFile("w", dir=path.parent) as draft:  # made with mode 0600
        draft.write(text)
        draft.flush()
        with suppress(FileExistsError):  # another worker was first: its key is the one
            os.link(draft.name, path)
