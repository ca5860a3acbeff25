"""``hyperapi doctor``: checks of the settings, the database and the running service.

Each check yields its results as :class:`Finding`, and changes nothing. The service is checked from
outside, through the links of its root, so the checks include the proxies in front.
"""

import http.client
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from hyperapi.common import private_files
from hyperapi.http.content_coding import CODINGS
from hyperapi.middleware.cors import EXPOSED
from hyperapi.middleware.counters import redis_storage
from hyperapi.ops import extensions
from hyperapi.ops.serving import workers
from hyperapi.representations import html
from hyperapi.resources.root import PATH as ROOT
from hyperapi.settings import Settings, SettingsError
from hyperapi.storage import distribution, migrations
from hyperapi.storage.dialects import dialect_for
from hyperapi.storage.schema import CORE, Schema

_PATIENCE = 10.0
_MOST_SKEW = timedelta(seconds=30)
_MEMORY, _ROUNDS = 19456, 2  # OWASP's recommendation for argon2id
_ELSEWHERE = "https://somewhere.else.example"
_MOST_PAGES = 50


class Level(Enum):
    """The severity of a finding."""

    GOOD = "ok"
    DOUBTFUL = "warn"
    BAD = "FAIL"


@dataclass(frozen=True)
class Finding:
    """The result of a check in one line."""

    level: Level
    line: str


def good(line: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(Level.GOOD, line)


def doubtful(line: str) -> Finding:
    """Return a finding that works but that an operator should know."""
    return Finding(Level.DOUBTFUL, line)


def bad(line: str) -> Finding:
    """Return a finding of a failure or of a risk."""
    return Finding(Level.BAD, line)


def examine(settings: Settings, url: str) -> Iterator[Finding]:
    """Run all checks.

    :param url: scheme, host and prefix of the service, as clients know it.
    """
    yield from of_settings(settings)
    yield from of_database(settings)
    yield from of_counts(settings)
    yield from of_service(url)


# -- the settings


def of_settings(settings: Settings) -> Iterator[Finding]:
    """Check settings for risks and contradictions."""
    found = [*_keys(settings), *_hashing(settings), *_limits(settings), *_front(settings)]
    yield from found or [good("the settings are safe")]


def _keys(settings: Settings) -> Iterator[Finding]:
    if settings.uses_key_file and private_files.readable_by_others(settings.key_file):
        yield bad(f"others may read {settings.key_file}: chmod 600")


def _hashing(settings: Settings) -> Iterator[Finding]:
    if settings.hashing_memory < _MEMORY or settings.hashing_rounds < _ROUNDS:
        yield bad(f"passwords are hashed with less than {_MEMORY} KiB and {_ROUNDS} rounds")


def _limits(settings: Settings) -> Iterator[Finding]:
    for name in ("sign_in_limit", "sign_in_address_limit", "register_limit", "request_limit"):
        if not getattr(settings, name):
            yield doubtful(f"HYPERAPI_{name.upper()} is off")
    if not settings.embedded and not settings.rate_limit_storage:
        yield doubtful("HYPERAPI_RATE_LIMIT_STORAGE is not set: each node counts for itself")


def _front(settings: Settings) -> Iterator[Finding]:
    public = urlsplit(settings.public_url)
    if not public.netloc and not settings.trusted_hosts:
        yield doubtful(
            "any Host is believed: set HYPERAPI_PUBLIC_URL, or at least HYPERAPI_TRUSTED_HOSTS"
        )
    if public.scheme == "http" and not _is_here(public.hostname):
        yield doubtful("HYPERAPI_PUBLIC_URL is not https: tokens and passwords travel in the open")
    if public.netloc and not settings.trusted_proxies and not _is_here(public.hostname):
        yield doubtful(
            "HYPERAPI_TRUSTED_PROXIES is 0: if there is a proxy in front, limits take all clients "
            "for one"
        )
    if settings.metrics_port and not _is_here(settings.metrics_host):
        yield doubtful("metrics are served to other machines: let nobody but Prometheus in")


def _is_here(host: str | None) -> bool:
    return host in ("localhost", "::1") or (host or "").startswith("127.")


# -- the database


def of_database(settings: Settings) -> Iterator[Finding]:
    """Check that the database answers, is migrated, and is configured correctly."""
    options = dialect_for(settings).options(settings)
    engine = create_engine(settings.database_url, poolclass=NullPool, **options)
    try:
        with engine.connect() as connection:
            yield good("the database answers")
            yield _migrations(connection)
            yield from _extensions(connection, settings)
            look = _of_sqlite if settings.embedded else _of_postgresql
            yield from look(connection, settings)
    except SQLAlchemyError as error:
        yield bad(f"the database: {_in_one_line(getattr(error, 'orig', None) or error)}")
    finally:
        engine.dispose()


def _migrations(connection: Connection) -> Finding:
    return _state_of(connection, CORE) or good("every migration has run")


def _state_of(connection: Connection, schema: Schema) -> Finding | None:
    """Return what is remarkable about the tables of a schema."""
    present = migrations.current(connection, schema)
    reason = schema.problem(present)
    if reason is not None:
        return bad(reason)
    if schema.newer(present or ""):
        whose = f"the tables of {schema.title} are" if schema.extension else "the database is"
        return doubtful(f"{whose} at {present}, newer than this code ({schema.expected})")
    return None


def _extensions(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Check the tables of each extension, and name those of extensions that are not loaded."""
    try:
        loaded = extensions.loaded(settings)
    except SettingsError as error:
        yield bad(str(error))
        return
    for each in loaded:
        state = each.schema and _state_of(connection, each.schema)
        at = f": its tables are at {each.schema.expected}" if each.schema else ""
        if state is None and (reason := extensions.lacking(connection, each)):
            state = bad(reason)
        yield state or good(f"the extension {each.name} of {each.package} is loaded{at}")
    names = {each.name for each in loaded}
    for name in migrations.extensions_in(connection):
        if name not in names:
            yield doubtful(f"the database has tables of the extension {name}, which is not loaded")


def _of_sqlite(connection: Connection, settings: Settings) -> Iterator[Finding]:
    for path in private_files.with_companions(settings.database_file):
        if private_files.readable_by_others(path):
            yield bad(f"others may read {path}: chmod 600")
    mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
    yield good("SQLite writes ahead") if mode == "wal" else bad(f"SQLite's journal is {mode}")
    damage = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
    yield good("the file is whole") if damage == "ok" else bad(f"the file is damaged: {damage}")
    if connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
        yield bad("there are rows that refer to nothing")


def _of_postgresql(connection: Connection, settings: Settings) -> Iterator[Finding]:
    clock = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    yield _skew("the database", clock)
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
        yield bad("the database is a standby: it can only be read")
    elif connection.execute(text("SHOW default_transaction_read_only")).scalar_one() == "on":
        yield bad("the database can only be read")
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        yield bad(f"the database's encoding is {encoding}: it cannot hold every text")
    most = int(connection.execute(text("SHOW max_connections")).scalar_one())
    wanted = workers(settings) * (settings.database_connections or settings.slots)
    if wanted > most - 3:
        yield bad(f"this node alone may open {wanted} connections, and the server takes {most}")
    isolation = connection.execute(text("SHOW default_transaction_isolation")).scalar_one()
    yield good(f"transactions are {isolation}")
    yield from _of_citus(connection)


def _of_citus(connection: Connection) -> Iterator[Finding]:
    """Show what Citus distributes, and check that no table of owners is left out."""
    if not distribution.is_citus(connection):
        return
    for name in distribution.waiting(connection):
        yield bad(f"{name} is not distributed: run `hyperapi upgrade`")
    for each in distribution.spread(connection):
        sizes = ", ".join(f"{node} {size >> 10} KiB" for node, size in each.nodes.items())
        yield good(f"{each.table} is distributed by {each.column} in {each.shards} shards: {sizes}")


# -- the storage of rate limits


def of_counts(settings: Settings) -> Iterator[Finding]:
    """Check that a configured Redis answers."""
    if not settings.rate_limit_storage:
        return
    if redis_storage(settings.rate_limit_storage).check():
        yield good("Redis answers")
    else:
        yield bad("Redis does not answer: each process counts for itself")


# -- the service, from outside


@dataclass(frozen=True)
class Reply:
    """A reply of the service."""

    status: int
    headers: Message
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON; None for other bodies."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class _NoRedirects(HTTPRedirectHandler):
    """Does not follow redirects, because their targets are checked."""

    def redirect_request(self, *_: Any) -> None:
        return None


_browser = build_opener(ProxyHandler({}), _NoRedirects())


def ask(uri: str, method: str = "GET", **headers: str) -> Reply:
    """Send a request with a foreign Origin.

    :raises OSError: when there is no reply.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(uri, method=method, headers={"Origin": _ELSEWHERE, **named})  # noqa: S310
    try:
        with _browser.open(request, timeout=_PATIENCE) as reply:
            return Reply(reply.status, reply.headers, reply.read())
    except HTTPError as error:
        with error:
            return Reply(error.code, error.headers, error.read())


def of_service(url: str) -> Iterator[Finding]:
    """Check the service at its public URL."""
    base = url.rstrip("/")
    root = base + ROOT
    try:
        reply = ask(root)
        if reply.status != 200 or not isinstance(reply.document, dict):
            yield bad(
                f"{root} is answered with {reply.status}{_target_of(reply)}, not with our root"
            )
            return
        yield good(f"{root} is our root")
        for check in _CHECKS:
            yield from check(base, reply)
    except (URLError, OSError, http.client.HTTPException) as error:
        yield bad(f"{base} cannot be reached: {_in_one_line(getattr(error, 'reason', error))}")


def _target_of(reply: Reply) -> str:
    target = reply.headers.get("Location")
    return f" to {target}" if target else ""


def _links_lead_here(base: str, root: Reply) -> Iterator[Finding]:
    """Follow the links of anonymous clients, and check every URI."""
    waiting, seen, wrong, broken = [base + ROOT], set[str](), set[str](), list[str]()
    while waiting and len(seen) < _MOST_PAGES:
        uri = waiting.pop(0)
        seen.add(uri)
        reply = root if len(seen) == 1 else ask(uri)
        if reply.status not in (200, 401, 405):  # a link may lead to what has no GET, as mcp
            broken.append(f"{uri} is answered with {reply.status}{_target_of(reply)}")
        found = set(_uris_of_headers(reply, uri))
        if isinstance(reply.document, dict) and "uri" in reply.document:  # not OpenAPI
            found |= set(_uris(reply.document))
        wrong |= {each for each in found if not _is_below(each, base)}
        waiting += sorted(found - wrong - seen - set(waiting))
    for kind, sample in sorted(_kinds(wrong, base).items()):
        yield bad(f"links have the wrong {kind}: {sample}, where clients know us as {base}")
    for line in broken:
        yield bad(line)
    if not wrong and not broken:
        yield good(f"{len(seen)} resources, every link leads to {base}")


def _uris(document: Any) -> Iterator[str]:
    """Yield the URIs in a document, except templates."""
    if isinstance(document, dict):
        for name, value in document.items():
            if (name == "uri" or name.endswith("_uri")) and isinstance(value, str):
                yield value
            else:
                yield from _uris(value)
    elif isinstance(document, list):
        for value in document:
            yield from _uris(value)


def _uris_of_headers(reply: Reply, asked: str) -> Iterator[str]:
    for value in reply.headers.get_all("Link", []):
        yield from re.findall(r"<([^>]*)>", value)
    for name in ("Location", "Content-Location"):
        if name in reply.headers:
            yield urljoin(asked, str(reply.headers[name]))


def _is_below(uri: str, base: str) -> bool:
    return uri.startswith(base + ROOT)


def _kinds(wrong: set[str], base: str) -> dict[str, str]:
    """Return the kinds of wrong URIs, with one example each."""
    kinds, right = dict[str, str](), urlsplit(base)
    for uri in sorted(wrong, reverse=True):
        parts = urlsplit(uri)
        if parts.scheme != right.scheme:
            kinds["scheme"] = uri
        elif parts.netloc != right.netloc:
            kinds["host"] = uri
        else:
            kinds["prefix"] = uri
    return kinds


def _scripts_may_read(base: str, root: Reply) -> Iterator[Finding]:
    """Check the CORS headers that scripts of other origins need (Fetch standard)."""
    if root.headers.get("Access-Control-Allow-Origin") not in ("*", _ELSEWHERE):
        yield doubtful("scripts of other origins may not use it (HYPERAPI_CORS_ORIGINS)")
        return
    shown = {
        name.strip().lower()
        for value in root.headers.get_all("Access-Control-Expose-Headers", [])
        for name in value.split(",")
    }
    missing = [name for name in EXPOSED if name.lower() not in shown]
    if missing:
        yield bad(f"scripts cannot see {', '.join(missing)}: something in front drops them")
    asking = {"Access_Control_Request_Method": "PATCH"}
    preflight = ask(base + ROOT, "OPTIONS", **asking)
    methods = preflight.headers.get("Access-Control-Allow-Methods", "")
    if preflight.status not in (200, 204) or "PATCH" not in methods:
        yield bad(f"a preflight is answered with {preflight.status} and {methods or 'no methods'}")
    elif not missing:
        yield good("scripts of other origins can use it")


def _headers_pass_proxies(base: str, root: Reply) -> Iterator[Finding]:
    """Check for changes that proxies are known to make."""
    token = ask(base + ROOT, Authorization="Bearer hya_nonsense")
    if token.status != 401 or "WWW-Authenticate" not in token.headers:
        yield bad("Authorization does not reach us, or WWW-Authenticate does not reach clients")
    wanted = "00000000-0000-4000-8000-00000000d0c7"
    if ask(base + ROOT, X_Request_Id=wanted).headers.get("X-Request-Id") != wanted:
        yield doubtful("X-Request-Id is changed on the way: logs will not match")
    if "Origin" not in root.headers.get("Vary", ""):
        yield bad("Vary is changed on the way: caches will mix origins")


def _compression_passes_proxies(base: str, _: Reply) -> Iterator[Finding]:
    """Check that clients get our compressed replies, with the ETags that belong to them."""
    passed = []
    for coding in CODINGS:
        asked = {"Accept": html.MEDIA_TYPE, "Accept_Encoding": coding}
        reply = ask(base + ROOT, **asked)
        tag = reply.headers.get("ETag") or ""
        if tag.startswith("W/"):
            yield doubtful("ETags are made weak on the way (compression?): If-Match will fail")
        elif not tag.endswith(f'-{coding}"'):
            yield doubtful(f"Accept-Encoding: {coding} does not reach us, or ETags are changed")
        elif reply.headers.get("Content-Encoding") == coding:
            passed.append(coding)
            again = ask(base + ROOT, **asked, If_None_Match=tag)
            if (again.status, again.headers.get("ETag")) != (304, tag):
                yield doubtful("If-None-Match does not reach us: clients load everything again")
        else:
            yield bad(f"something in front decodes {coding} and leaves the ETag of it")
    if passed:
        yield good(f"replies are compressed with {' and '.join(passed)}")


def _apps_find_their_way(base: str, root: Reply) -> Iterator[Finding]:
    """Follow the challenge of a 401 to the authorization server, as OAuth 2 clients do."""
    refused = {base: ask(base + ROOT, Authorization="Bearer hya_nonsense")}
    models = root.document.get("mcp_uri", "")
    if _is_below(models, base):
        refused[models] = ask(models, "POST")
    lost = [fault for uri, reply in refused.items() if (fault := _way_fault(uri, reply))]
    yield from map(bad, lost)
    if not lost:
        yield good("apps find the page for consent (OAuth 2)")


def _way_fault(resource: str, refused: Reply) -> str:
    """Return why a client that was refused finds no authorization server; empty when it does."""
    challenge = refused.headers.get("WWW-Authenticate", "")
    _, _, where = challenge.partition('resource_metadata="')
    where = where.partition('"')[0]
    if urlsplit(where)[:2] != urlsplit(resource)[:2]:
        return ""  # other checks are about lost headers and other hosts
    found = ask(where)
    told = found.document if isinstance(found.document, dict) else {}
    if found.status != 200 or told.get("resource") != resource:
        return f"{where} is answered with {found.status}, and not with the metadata of {resource}"
    issuer = urlsplit(told["authorization_servers"][0])
    server = issuer._replace(path=f"/.well-known/oauth-authorization-server{issuer.path}").geturl()
    status = ask(server).status
    return "" if status == 200 else f"{server} is answered with {status}: apps cannot sign in"


def _clock(_: str, root: Reply) -> Iterator[Finding]:
    told = root.headers.get("Date")
    if told is not None:
        yield _skew("the service", parsedate_to_datetime(told))


_Check = Callable[[str, Reply], Iterator[Finding]]
_CHECKS: list[_Check] = [
    _links_lead_here,
    _scripts_may_read,
    _headers_pass_proxies,
    _compression_passes_proxies,
    _apps_find_their_way,
    _clock,
]


def _skew(whose: str, clock: datetime) -> Finding:
    skew = datetime.now(UTC) - clock
    if abs(skew) > _MOST_SKEW:
        return bad(f"the clock of {whose} is {-skew.total_seconds():+.0f} s from ours")
    return good(f"the clock of {whose} is right")


def _in_one_line(error: object) -> str:
    return " ".join(str(error).split())
