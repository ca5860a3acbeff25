"""The report of a failed test: the requests that the sandbox got during the test.

The hooks work where a test uses the fixture ``hyperapi_server``, directly or through another
fixture. Where each test has a namespace, they report the requests to that. pytest-xdist carries the
sections of a report to its main process.
"""

import json
from collections.abc import Generator
from typing import Any

import pytest

from hyperapi.sandbox.client import Sandbox

_FIXTURES = ("hyperapi", "hyperapi_server")  # the first that a test uses has its requests
_PLACES = pytest.StashKey[dict[str, Sandbox]]()
_MOST_SHOWN = 100
SECTION = "Requests to the sandbox"


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Note the sandbox when it starts."""
    made = yield
    if fixturedef.argname in _FIXTURES:
        request.config.stash.setdefault(_PLACES, {})[fixturedef.argname] = made
    return made


def pytest_fixture_post_finalizer(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> None:
    """Forget the sandbox when it ends."""
    request.config.stash.get(_PLACES, {}).pop(fixturedef.argname, None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget the requests of the tests before."""
    server = _server_of(item)
    if server is not None:
        server.forget_requests()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the requests to the report of a test that failed."""
    report = yield
    server = _server_of(item) if report.failed else None
    if server is not None:
        report.sections.append((SECTION, _section(server)))
    return report


def _server_of(item: pytest.Item) -> Sandbox | None:
    """Return the sandbox that a test uses; None without one that runs."""
    uses, places = getattr(item, "fixturenames", ()), item.config.stash.get(_PLACES, {})
    return next((places[name] for name in _FIXTURES if name in uses and name in places), None)


def _section(server: Sandbox) -> str:
    try:
        found = server.requests()
    except Exception as failure:
        return f"The sandbox does not answer: {failure}"
    lines = [line for request in found[-_MOST_SHOWN:] for line in _lines(request)]
    if len(found) > _MOST_SHOWN:
        lines.insert(0, f"({len(found) - _MOST_SHOWN} earlier requests)")
    return "\n".join(lines) or "none"


def _lines(request: dict[str, Any]) -> list[str]:
    """Return a request, and what the server logged and recorded of it, as indented lines."""
    status = request["status"] or "-"
    head = f"{request['method']} {request['path']} {status} {request['ms']} ms"
    who = request["user"] or "nobody"
    lines = [f"{head}, {request['route'] or 'no route'}, {who}, {request['request_id']}"]
    if "fault" in request:
        lines.append(f"    fault: {json.dumps(request['fault'])}")
    lines += [f"    {name}: {request[name]}" for name in ("body", "reply") if request.get(name)]
    for entry in request.get("log", ()):
        lines += _entry(json.loads(entry))
    return lines


def _entry(entry: dict[str, Any]) -> list[str]:
    traceback = entry.pop("traceback", "")
    told = f"    log: {entry['level']}: {entry['event']}"
    return [told, *(f"        {line}" for line in traceback.splitlines())]
