"""``hyperapi doctor``: what is wrong is found, and what is right is left in peace."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from hyperapi.ops import doctor
from hyperapi.ops.doctor import Finding, Level, of_counts, of_database, of_service, of_settings
from hyperapi.settings import Settings
from tests import redis
from tests.conftest import SECRET_KEY, MakeApp
from tests.databases import POSTGRESQL, Stores
from tests.serving import free_port

SAFE = {
    "HYPERAPI_PUBLIC_URL": "https://todo.example.org",
    "HYPERAPI_TRUSTED_PROXIES": "1",
    "HYPERAPI_SECRET_KEYS": SECRET_KEY,
}

Application = Callable[..., Iterable[bytes]]
Change = Callable[[dict[str, Any], list[tuple[str, str]]], list[tuple[str, str]]]


def lines(findings: Iterable[Finding], level: Level) -> list[str]:
    """The findings of one level."""
    return [finding.line for finding in findings if finding.level is level]


# -- settings


def settings(folder: Path, **chosen: str) -> Settings:
    """Settings that are safe, but for those chosen."""
    named = {f"HYPERAPI_{name.upper()}": value for name, value in chosen.items()}
    return Settings.read({"HYPERAPI_INSTANCE": str(folder), **SAFE, **named})


def test_safe_settings_are_found_safe(tmp_path: Path) -> None:
    assert list(of_settings(settings(tmp_path))) == [doctor.good("the settings are safe")]


@pytest.mark.parametrize(
    ("chosen", "level", "word"),
    [
        ({"hashing_memory": "8"}, Level.BAD, "hashed with less"),
        ({"hashing_rounds": "1"}, Level.BAD, "hashed with less"),
        ({"sign_in_limit": ""}, Level.DOUBTFUL, "HYPERAPI_SIGN_IN_LIMIT is off"),
        ({"register_limit": ""}, Level.DOUBTFUL, "HYPERAPI_REGISTER_LIMIT is off"),
        ({"public_url": ""}, Level.DOUBTFUL, "any Host is believed"),
        ({"public_url": "http://todo.example.org"}, Level.DOUBTFUL, "not https"),
        ({"trusted_proxies": "0"}, Level.DOUBTFUL, "HYPERAPI_TRUSTED_PROXIES is 0"),
        (
            {"metrics_port": "9100", "metrics_host": "0.0.0.0"},
            Level.DOUBTFUL,
            "metrics are served to other machines",
        ),
        ({"database_url": "postgresql://db/todo"}, Level.DOUBTFUL, "each node counts for itself"),
    ],
)
def test_each_unsafe_setting_is_pointed_out(
    tmp_path: Path, chosen: dict[str, str], level: Level, word: str
) -> None:
    (finding,) = of_settings(settings(tmp_path, **chosen))
    assert finding.level is level
    assert word in finding.line
    assert SECRET_KEY not in finding.line


def test_a_key_that_others_may_read_is_found(tmp_path: Path) -> None:
    kept = Settings.read({"HYPERAPI_INSTANCE": str(tmp_path), "HYPERAPI_PUBLIC_URL": "https://x.y"})
    kept.key_file.chmod(0o644)
    assert any("others may read" in line for line in lines(of_settings(kept), Level.BAD))


# -- the database


def test_a_sound_database_is_found_sound(stores: Stores, tmp_path: Path) -> None:
    for kind, number in (("sqlite", 4), (POSTGRESQL, 4)):
        with stores.of(kind).fresh(tmp_path) as url:
            found = list(of_database(settings(tmp_path, database_url=url)))
        assert [finding.level for finding in found] == [Level.GOOD] * number, found


def test_what_is_wrong_with_a_database_is_found(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.db").touch()
    empty = settings(tmp_path, database_url=f"sqlite:///{tmp_path}/empty.db")
    assert any("run `hyperapi upgrade`" in line for line in lines(of_database(empty), Level.BAD))
    (tmp_path / "noise.db").write_bytes(b"not a database, whatever its name says" * 100)
    noise = settings(tmp_path, database_url=f"sqlite:///{tmp_path}/noise.db")
    assert any("not a database" in line for line in lines(of_database(noise), Level.BAD))
    away = settings(tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")
    assert any("refused" in line for line in lines(of_database(away), Level.BAD))
    with stores.of(POSTGRESQL).fresh(tmp_path) as url:
        crowded = settings(tmp_path, database_url=url, workers="50", threads="10")
        assert any("may open 500" in line for line in lines(of_database(crowded), Level.BAD))

        class Late(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) + timedelta(minutes=5)

        monkeypatch.setattr(doctor, "datetime", Late)
        late = of_database(settings(tmp_path, database_url=url))
        assert any("-300 s from ours" in line for line in lines(late, Level.BAD))


# -- where limits are counted


def test_a_redis_that_is_away_is_found(tmp_path: Path) -> None:
    assert list(of_counts(settings(tmp_path))) == []
    with redis.server(tmp_path) as server:
        shared = settings(tmp_path, rate_limit_storage=server.url)
        assert list(of_counts(shared)) == [doctor.good("Redis answers")]
        server.stop()
        assert [finding.level for finding in of_counts(shared)] == [Level.BAD]


# -- the service


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Keep quiet."""


@contextmanager
def behind(app: Flask, change: Change | None = None, port: int = 0) -> Iterator[str]:
    """The URL of an application behind something that changes what goes through it."""
    application: Application = app.wsgi_app

    def changing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, change(environ, headers) if change else headers, *more)

        if change is not None:
            change(environ, [])
        return application(environ, start)

    server = make_server("127.0.0.1", port, changing, threaded=True, request_handler=Quiet)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.only_on("sqlite")
def test_a_service_that_is_all_right_is_found_so(make_app: MakeApp) -> None:
    with behind(make_app(mcp="true")) as url:
        found = list(of_service(url))
    assert {finding.level for finding in found} == {Level.GOOD}, found
    assert any("every link leads to" in finding.line for finding in found)
    assert doctor.good("replies are compressed with gzip and zstd") in found
    assert doctor.good("apps find the page for consent (OAuth 2)") in found


def header(environ: dict[str, Any], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Something that drops what scripts may see."""
    return [each for each in headers if each[0] != "Access-Control-Expose-Headers"]


def authorization(environ: dict[str, Any], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Something that keeps the token to itself."""
    environ.pop("HTTP_AUTHORIZATION", None)
    return headers


def vary(environ: dict[str, Any], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Something that compresses, and knows only that."""
    return [("Vary", "Accept-Encoding") if name == "Vary" else (name, v) for name, v in headers]


def weak(environ: dict[str, Any], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Something that compresses."""
    return [(name, f"W/{v}" if name == "ETag" else v) for name, v in headers]


def plain(environ: dict[str, Any], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Something that takes no compressed replies."""
    environ.pop("HTTP_ACCEPT_ENCODING", None)
    return headers


def decoding(environ: dict[str, Any], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Something that decodes replies."""
    return [each for each in headers if each[0] != "Content-Encoding"]


def whole(environ: dict[str, Any], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Something that asks for everything each time."""
    environ.pop("HTTP_IF_NONE_MATCH", None)
    return headers


def ids(environ: dict[str, Any], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Something that has ids of its own."""
    return [(name, "1" if name == "X-Request-Id" else v) for name, v in headers]


def well_known(environ: dict[str, Any], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Something that has well-known URIs of its own."""
    if environ["PATH_INFO"].startswith("/.well-known/"):
        environ["PATH_INFO"] = "/nothing"
    return headers


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("change", "level", "word"),
    [
        (header, Level.BAD, "scripts cannot see Accept-Patch"),
        (authorization, Level.BAD, "Authorization does not reach us"),
        (vary, Level.BAD, "Vary is changed"),
        (weak, Level.DOUBTFUL, "made weak"),
        (plain, Level.DOUBTFUL, "Accept-Encoding: gzip does not reach us"),
        (plain, Level.DOUBTFUL, "Accept-Encoding: zstd does not reach us"),
        (decoding, Level.BAD, "decodes gzip"),
        (whole, Level.DOUBTFUL, "If-None-Match does not reach us"),
        (ids, Level.DOUBTFUL, "X-Request-Id is changed"),
        (well_known, Level.BAD, "oauth-protected-resource is answered with 404"),
    ],
)
def test_what_a_proxy_breaks_is_found(app: Flask, change: Change, level: Level, word: str) -> None:
    with behind(app, change) as url:
        found = list(of_service(url))
    assert any(word in line for line in lines(found, level)), found


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("public_url", "kind"),
    [
        ("https://127.0.0.1:PORT", "scheme"),
        ("http://localhost:PORT", "host"),
        ("http://127.0.0.1:PORT/todo", "prefix"),
    ],
)
def test_links_that_lead_elsewhere_are_found(make_app: MakeApp, public_url: str, kind: str) -> None:
    port = free_port()
    told = public_url.replace("PORT", str(port))
    with behind(make_app(public_url=told), port=port) as url:
        found = lines(of_service(url), Level.BAD)
    assert any(f"links have the wrong {kind}: {told}/" in line for line in found), found


@pytest.mark.only_on("sqlite")
def test_something_else_and_nothing_at_all_are_told_apart(app: Flask) -> None:
    with behind(app) as url:
        (elsewhere,) = of_service(f"{url}/todo")
        assert "answered with 404" in elsewhere.line
    (nobody,) = of_service(url)
    assert "cannot be reached" in nobody.line


@pytest.mark.only_on("sqlite")
def test_origins_that_may_not_use_it_are_only_worth_a_warning(make_app: MakeApp) -> None:
    with behind(make_app(cors_origins="https://app.example.org")) as url:
        found = list(of_service(url))
    assert lines(found, Level.BAD) == []
    assert any("HYPERAPI_CORS_ORIGINS" in line for line in lines(found, Level.DOUBTFUL))
