"""Every operator setting: name, type, default and meaning. Only this module reads the environment.

The field ``access_token_lifetime`` is the variable ``HYPERAPI_ACCESS_TOKEN_LIFETIME``. It comes
from the environment or from the file ``.env`` in the working folder; the environment wins. A test
keeps ``.env.example`` in step with this module.
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

from hyperapi.common.logo import Logo, read_logo
from hyperapi.common.operator_error import OperatorError
from hyperapi.common.secret_keys import weakness

PREFIX = "HYPERAPI_"
_OF_THE_CLIENT = {"HYPERAPI_URL", "HYPERAPI_TOKEN"}
OF_THE_SANDBOX = {
    f"HYPERAPI_SANDBOX_{name}" for name in ("USERS", "SEED", "HOST", "PORT", "HOST_NAMES", "SECRET")
}
"""Variables of ``hyperapi sandbox``, which stand beside the settings in an image."""

_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE
)


_PREFIX_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)*")
_LONGEST_PREFIX = 200

_CONTACT = re.compile(
    r"(mailto:|https://)([A-Za-z0-9._~:/?#\[\]@!$&'()*+;=-]|%[0-9A-Fa-f]{2})+", re.IGNORECASE
)
"""The URI characters (RFC 3986) and schemes of a security contact."""


class SettingsError(OperatorError, ValueError):
    """An invalid setting. The message is one line that names the setting."""


class KeysError(SettingsError):
    """No key is set, or a key is too weak."""


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain NUL")
    return value


def _line(longest: int) -> Callable[[str], str]:
    def parse(value: str) -> str:
        text = value.strip()
        if len(text) > longest or not text.isprintable():
            raise ValueError(f"must be one line of at most {longest} characters")
        return text

    return parse


def _title(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return _line(100)(value)


def _logo(value: str) -> Logo | None:
    return read_logo(Path(_text(value))) if value else None


def _words(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


BUILT_IN = "built-in"
"""The list of common passwords that comes with the service."""


def _list_of_passwords(value: str) -> str:
    text = _text(value.strip())
    if text in ("", BUILT_IN):
        return text
    path = Path(text).absolute()
    if not path.is_file():
        raise ValueError("must be built-in, a file with one password a line, or empty")
    return str(path)


def _resources(value: str) -> tuple[str, ...]:
    names = _words(value)
    if names and sorted(names) != ["lists", "tasks"]:
        raise ValueError("must be lists,tasks or empty: lists and tasks need each other")
    return ("lists", "tasks") if names else ()


def _extensions(value: str) -> tuple[str, ...]:
    names = _words(value)
    if len(set(names)) < len(names):
        raise ValueError("names an extension twice")
    return names


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
    """Parse a quota: a number, or 0 (no limit) for an empty value."""
    return _number(0, 10**10 - 1)(value) if value.strip() else 0


def _limits(value: str) -> tuple[RateLimitItem, ...]:
    try:
        return tuple(parse_many(value)) if value.strip() else ()
    except ValueError:
        raise ValueError("must be limits such as 10/minute or 60/hour;5/second, or empty") from None


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
    """Return whether text is a path prefix: RFC 3986 segments without escapes and dot segments."""
    return len(text) <= _LONGEST_PREFIX and _PREFIX_PATH.fullmatch(text) is not None


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (
        parts.scheme not in ("http", "https")
        or not host_is_trusted(parts.netloc)  # false for a malformed host
        or not _is_port(parts)
        or not is_prefix(parts.path.rstrip("/"))
        or parts.query
        or parts.fragment
    ):
        raise ValueError(
            "must be a URL such as https://todo.example.org or https://example.org/todo"
        )
    return value.rstrip("/")


def _origins(value: str) -> tuple[str, ...]:
    origins = _words(value)
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError("must be origins such as https://app.example.org, or *")
    return origins


def _contacts(value: str) -> tuple[str, ...]:
    contacts = _words(value)
    if not all(_CONTACT.fullmatch(contact) and _is_contact(contact) for contact in contacts):
        raise ValueError(
            "must be URIs such as mailto:security@example.org or https://example.org/security; "
            "write a comma inside one as %2C"
        )
    return contacts


def _is_contact(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:  # an unclosed bracket
        return False
    if parts.scheme.lower() == "mailto":
        return re.fullmatch(r"[^@/]+@[^@/]+", parts.path) is not None
    return host_is_trusted(parts.netloc) and _is_port(parts)


def _with_one_host(url: str) -> str:
    """Rewrite a libpq URL with several hosts (``//a:5432,b:5432/name``) for SQLAlchemy.

    SQLAlchemy takes several hosts as query parameters.
    """
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
        raise ValueError(
            "must be a URL such as sqlite:///todo.db or postgresql://host/name"
        ) from None
    backend = {"postgres": "postgresql"}.get(url.drivername, url.drivername)
    if backend == "postgresql":
        backend = "postgresql+psycopg"
    if backend not in ("sqlite", "postgresql+psycopg"):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    if backend == "sqlite" and (not url.database or url.database == ":memory:"):
        raise ValueError("must name a file, because every worker opens the database itself")
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
    """Declare a setting. Its default is the text that the environment would have."""
    return field(
        default=parse(default),
        repr=not secret,
        metadata={"default": default, "parse": parse, "help": meaning},
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The operator settings. Durations are in seconds."""

    host: str = _setting("127.0.0.1", _text, "address that `hyperapi serve` listens on")
    port: int = _setting("5000", _number(0, 65535), "port that `hyperapi serve` listens on")
    workers: int = _setting("0", _number(0, 256), "worker processes; 0 is one per core")
    threads: int = _setting(
        "0",
        _number(0, 1000),
        "requests that one worker runs at the same time; 0 is 1 on SQLite and 4 on PostgreSQL",
    )
    readers: int = _setting(
        "256", _number(0, 10000), "clients that may wait for changes on one worker"
    )
    instance: str = _setting(
        "instance", _text, "folder of the embedded database and its secret keys"
    )
    database_url: str = _setting(
        "", _database_url, "database URL; empty is SQLite in the instance folder", secret=True
    )
    busy_timeout: int = _setting(
        "5", _number(1, 60), "seconds that a request waits for a busy database before a 503"
    )
    statement_timeout: int = _setting(
        "30", _number(1, 3600), "seconds that PostgreSQL may spend on one statement"
    )
    database_connections: int = _setting(
        "0",
        _number(0, 1000),
        "maximum number of database connections per worker; 0 is one per thread",
    )
    secret_keys: tuple[str, ...] = _setting(
        "",
        _words,
        "keys that sign tokens and cursors, comma-separated, oldest first: the last signs, all "
        "verify; each at least 32 bytes (`hyperapi keys new` generates one); with the embedded "
        "database, empty generates a key and stores it in the instance folder",
        secret=True,
    )
    public_url: str = _setting(
        "", _public_url, "scheme, host and prefix of every URI; empty takes them from the request"
    )
    title: str = _setting("hyperapi", _title, "name of the service, which clients and pages show")
    description: str = _setting(
        "",
        _line(500),
        "sentences that describe the service at its root and in its documentation; empty takes a "
        "text about what it serves",
    )
    logo: Logo | None = _setting(  # noqa: RUF009 - as for every setting
        "",
        _logo,
        "image of the service for pages and documents: the path of an SVG, PNG, WebP or JPEG file "
        "of at most 64 KiB; empty is none",
    )
    pages: str = _setting(
        "interactive",
        _one_of("interactive", "plain"),
        "HTML pages: interactive (with a script that signs in and sends forms) or plain (without)",
    )
    resources: tuple[str, ...] = _setting(
        "lists,tasks",
        _resources,
        "built-in resources to serve: lists,tasks, or empty for extensions alone",
    )
    extensions: tuple[str, ...] = _setting(
        "",
        _extensions,
        "installed extensions to serve, comma-separated, in order",
    )
    trusted_proxies: int = _setting(
        "0",
        _number(0, 10),
        "number of proxies in front whose X-Forwarded-For, -Proto, -Host and -Prefix are trusted",
    )
    trusted_hosts: tuple[str, ...] = _setting(
        "",
        _words,
        "accepted Host names, comma-separated; .example.org includes "
        "its subdomains; empty accepts any",
    )
    cors_origins: tuple[str, ...] = _setting(
        "*", _origins, "origins whose scripts may use the API (CORS), comma-separated; * is any"
    )
    registration: str = _setting(
        "open", _one_of("open", "closed"), "registration of new users: open or closed"
    )
    client_registration: str = _setting(
        "closed",
        _one_of("open", "closed"),
        "registration of apps by themselves (RFC 7591): open or closed; `hyperapi clients add` "
        "always registers one",
    )
    password_grant: bool = _setting(
        "true",
        _boolean,
        "whether apps may send passwords to get tokens; false: only the page for consent takes "
        "them, and no account can be deleted by its user",
    )
    mcp: bool = _setting(
        "false",
        _boolean,
        "whether language models may use the service: the link mcp of the root (Model Context "
        "Protocol over HTTP)",
    )
    security_contact: tuple[str, ...] = _setting(
        "",
        _contacts,
        "contacts for vulnerability reports in /.well-known/security.txt: mailto: or https: URIs, "
        "comma-separated, preferred first; empty serves no such file",
    )
    access_token_lifetime: int = _setting(
        "3600", _number(1, 86400), "lifetime of an access token in seconds"
    )
    refresh_token_lifetime: int = _setting(
        "2592000",
        _number(1),
        "lifetime of a refresh token, and of a session without refresh, in seconds",
    )
    session_lifetime: int = _setting(
        "31536000",
        _number(1),
        "seconds after the sign-in during which a session can be refreshed",
    )
    refresh_replay_window: int = _setting(
        "30",
        _number(0, 3600),
        "seconds during which a used refresh token returns the same successor",
    )
    fresh_login_lifetime: int = _setting(
        "600",
        _number(0),
        "seconds after a sign-in by password during which its session may delete the account, or "
        "derive tokens that outlive its own access token",
    )
    max_sessions: int = _setting("100", _number(1, 500), "maximum number of sessions per user")
    max_lists: int = _setting(
        "10000", _quota, "maximum number of lists per user; empty is no limit"
    )
    max_tasks: int = _setting(
        "250000", _quota, "maximum number of tasks per user; empty is no limit"
    )
    max_text: int = _setting(
        "268435456",
        _quota,
        "maximum size in bytes of a user's titles, descriptions and tags; empty is no limit",
    )
    max_bulk: int = _setting(
        "10000",
        _quota,
        "maximum number of resources that one request may change or delete; empty is no limit",
    )
    hashers: int = _setting(
        "2", _number(1, 64), "password hashes that one worker computes at the same time"
    )
    hashing_memory: int = _setting(
        "19456", _number(8, 4194304), "memory of one password hash in KiB"
    )
    hashing_rounds: int = _setting(
        "2", _number(1, 100), "passes of a password hash over its memory"
    )
    common_passwords: str = _setting(
        BUILT_IN,
        _list_of_passwords,
        "common passwords that nobody can choose: built-in, or the path of a file with one a line; "
        "empty allows all",
    )
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
        "redis://host:6379/0 shares the rate limits between nodes; empty shares "
        "them between the workers of one node",
        secret=True,
    )
    drain_delay: int = _setting(
        "0",
        _number(0, 600),
        "seconds that `hyperapi serve` still serves after SIGTERM, while it reports not ready",
    )
    head_timeout: int = _setting(
        "30",
        _number(1, 3600),
        "seconds that a client may take for the head of a request, or leave a connection idle",
    )
    request_timeout: int = _setting(
        "60",
        _number(1, 86400),
        "seconds that a request may take from its head to its reply, including its body, and that "
        "a client may leave a reply unread",
    )
    worker_timeout: int = _setting(
        "30",
        _number(0, 86400),
        "seconds that a worker may be unresponsive before it is replaced; 0 never replaces it",
    )
    metrics_host: str = _setting("127.0.0.1", _text, "address of the metrics endpoint")
    metrics_port: int = _setting(
        "0", _number(0, 65535), "port of the Prometheus metrics endpoint; 0 is off"
    )
    require_if_match: bool = _setting("false", _boolean, "refuse changes without If-Match (428)")
    tombstone_lifetime: int = _setting(
        "2592000", _number(0), "seconds that the change feed keeps tombstones"
    )
    history_lifetime: int = _setting(
        "2592000",
        _number(0),
        "seconds that changes can be undone and deletions restored; 0 keeps no history",
    )
    history_rows: int = _setting(
        "100000",
        _number(0, 2**31 - 1),
        "images of changed rows that are kept of one user; 0 sets no limit",
    )
    security_log_lifetime: int = _setting(
        "7776000",
        _number(0),
        "seconds that the security log of a user keeps an event; 0 keeps no log",
    )
    idempotency_lifetime: int = _setting(
        "86400", _number(0), "seconds that an idempotency record is kept"
    )

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings of this process.

        :param environment: the variables; by default the environment over ``.env``.
        :raises SettingsError: for an invalid value. The message names the setting.
        """
        if environment is None:
            environment = read_environment()
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
            keep(self, "secret_keys", self._load_keys())
        else:
            _require_strong(self.secret_keys, f"{PREFIX}SECRET_KEYS has")

    @property
    def base_url(self) -> str:
        """Scheme, host and prefix of URIs outside of a request: the public URL, or the address that
        the service listens on."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def slots(self) -> int:
        """The number of requests that one worker runs at the same time."""
        return self.threads or (1 if self.embedded else 4)

    @property
    def embedded(self) -> bool:
        """Whether the database is a local SQLite file, which this process may create."""
        return self.database_url.startswith("sqlite:")

    @property
    def database_file(self) -> Path:
        """The path of the embedded database."""
        assert self.embedded, "only an embedded database has a file"
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def uses_key_file(self) -> bool:
        """Whether the keys come from the key file and not from a setting."""
        return self.embedded and set(self.secret_keys) <= set(self._read_keys())

    def write_key_file(self, keys: tuple[str, ...]) -> None:
        """Replace the key file. The new keys take effect at the next start."""
        draft = self.key_file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        _create_private(draft, "\n".join(keys) + "\n")
        draft.replace(self.key_file)

    def _read_keys(self) -> tuple[str, ...]:
        return tuple(read_text(self.key_file).split()) if self.key_file.exists() else ()

    @property
    def key_file(self) -> Path:
        """The file of generated keys, one per line, oldest first."""
        return Path(self.instance, "secret_key")

    def _load_keys(self) -> tuple[str, ...]:
        """Read the key file. Create it with one key when it is missing."""
        if not self.embedded:
            raise KeysError(
                f"{PREFIX}SECRET_KEYS must be set when the database is not the embedded one; "
                "`hyperapi keys new` generates a key"
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
        _require_strong(keys, f"{self.key_file} has")
        return keys


def read_extensions() -> tuple[str, ...]:
    """Read the names of the extensions alone. No secret key is needed or made.

    :raises SettingsError: when they are invalid.
    """
    [each] = (each for each in fields(Settings) if each.name == "extensions")
    names: tuple[str, ...] = _parse(each, read_environment().get(variable(each), ""))
    return names


def read_environment() -> dict[str, str]:
    """Return the environment variables over those of ``.env``.

    :raises SettingsError: when ``.env`` cannot be read.
    """
    file = Path(".env")
    text = "" if _is_missing(file) else read_text(file)
    stored = {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}
    return {**stored, **os.environ}


def _is_missing(path: Path) -> bool:
    """Whether there is no such file. One in a folder that this user may not search may exist."""
    try:
        return not path.exists()
    except PermissionError:
        return False


def read_text(path: Path) -> str:
    """Read a UTF-8 file that an operator wrote, without its byte order mark.

    :raises SettingsError: naming the file, and its encoding when it can be detected.
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
        reason = f"is {encoding}: save it as UTF-8" if encoding else "contains NUL"
        raise SettingsError(f"{path} {reason}")
    return text


def _encoding_of(content: bytes) -> str | None:
    """Detect the encoding of a file that is not UTF-8 from its first bytes."""
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "in UTF-32"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "in UTF-16"
    if content[1:2] == b"\0" != content[:1] or content[:1] == b"\0" != content[1:2]:
        return "in UTF-16"
    return None


def variable(setting: Field[Any]) -> str:
    """Return the environment variable of a field of :class:`Settings`."""
    return PREFIX + setting.name.upper()


def unknown_settings(environment: Mapping[str, str]) -> list[str]:
    """Return variables with our prefix that are no setting: misspelt, or of another version."""
    known = {variable(each) for each in fields(Settings)} | _OF_THE_CLIENT | OF_THE_SANDBOX
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _parse(setting: Field[Any], value: str) -> Any:
    try:
        return setting.metadata["parse"](value)
    except ValueError as error:
        raise SettingsError(f"{variable(setting)} {error}") from None


def _require_strong(keys: tuple[str, ...], source: str) -> None:
    """Refuse weak keys. A key that only verifies must be strong too, or tokens can be forged.

    :raises KeysError: for the first weak key. The message gives its number.
    """
    for number, key in enumerate(keys, 1):
        if (fault := weakness(key)) is not None:
            which = "a key" if len(keys) == 1 else f"a key (number {number})"
            raise KeysError(f"{source} {which} that {fault}; `hyperapi keys new` makes a good one")


def _create_private(path: Path, text: str) -> None:
    """Create a file with mode 0600 in one step. An existing file is never replaced."""
    with NamedTemporaryFile("w", dir=path.parent) as draft:  # created with mode 0600
        draft.write(text)
        draft.flush()
        with suppress(FileExistsError):  # another worker was first; its key counts
            os.link(draft.name, path)
