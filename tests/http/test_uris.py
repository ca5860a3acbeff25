"""Which route a path matches. Matches are cached, and the cache must not show."""

from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from hyperapi.http.uris import Uris

BASE = ("http", "api.example.org", "")
IDS = (
    "019b76da-a800-7414-9fb5-355e1e2feb89",
    "019B76DA-A800-7414-9FB5-355E1E2FEB89",
    "a0000000-0000-0000-0000-000000000000",
    "A0000000-0000-0000-0000-000000000000",
    "00000000-0000-0000-0000-000000000000",
)
METHODS = ("GET", "POST", "PATCH", "OPTIONS")


@pytest.fixture
def app(shared_app: Flask) -> Flask:
    """An application with further rules: text beside ids, two ids, numbers and redirects."""
    app = Flask("further")
    app.url_map.converters.update(shared_app.url_map.converters)
    app.url_map.merge_slashes = False
    for rule in shared_app.url_map.iter_rules():
        app.add_url_rule(rule.rule, rule.endpoint, methods=rule.methods)
    for further in (
        "/text/<name>",
        "/pair/<uuid:a>/<uuid:b>",
        "/n/<int:n>/<uuid:key>",
        "/to/<uuid:k>/",
    ):
        app.add_url_rule(further, further)
    return app


def paths(app: Flask) -> list[str]:
    """A path of every rule, with every id, and some that match none."""
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    found = [
        rule.replace("<uuid:key>", key).replace("<uuid:a>", key).replace("<uuid:b>", other)
        for rule in rules
        for key, other in zip(IDS, reversed(IDS), strict=True)
    ]
    for key in IDS:
        found += [f"/text/{key}", f"/text/x{key}", f"/text/{key}.{key}", f"/n/7/{key}"]
        found += [f"/to/{key}", f"/to/{key}/", f"/nothing/{key}", f"/api/v1/tasks/{key}/x"]
    return [*found, "/text/" + "x" * 500, "/api/v1", "//", "/text/%20"]


def outcome(match: Any) -> Any:
    """What matching gives: rule and values, or how it fails."""
    try:
        rule, values = match()
    except RequestRedirect as redirect:
        return redirect.new_url
    except HTTPException as failure:
        return failure.code, getattr(failure, "valid_methods", None) and sorted(
            failure.valid_methods  # type: ignore[attr-defined]
        )
    return rule.rule, dict(values)


def test_every_path_matches_as_without_the_cache(app: Flask) -> None:
    uris = Uris(app, BASE)
    plain = app.url_map.bind("api.example.org", "/", url_scheme="http")
    for _ in range(2):
        for path in paths(app):
            for method in METHODS:
                expected = outcome(
                    lambda: plain.match(path, method, return_rule=True, query_args="x=1")  # noqa: B023
                )
                found = outcome(lambda: uris.match(path, method, "x=1"))  # noqa: B023
                assert found == expected, (method, path)


def test_paths_of_strangers_do_not_fill_the_memory(app: Flask) -> None:
    uris = Uris(app, BASE)
    for number in range(1000):
        uris.match(f"/text/{number}", "GET")
        uris.match(f"/text/{quote('x' * 300)}{number}", "GET")
    kept = uris._matched.cache_info()
    assert kept.currsize <= 256
