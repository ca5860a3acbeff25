"""The command ``hyperapi-rules``: the rules of the whole API on a service at a URL.

pytest explains failed assertions in the modules that it loads. So the work runs inside of pytest,
without any of its tests, and its modules are imported there.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import pytest

from hyperapi.testing.hosts import is_loopback

if TYPE_CHECKING:
    from hyperapi.testing.url_run import Run

PASSED, FAILED, CANNOT_RUN = 0, 1, 2
_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    url: str
    only: tuple[str, ...]
    given: tuple[tuple[str, str], ...]
    cacert: Path | None
    most_requests: int
    longest_wait: int
    json: Path | None
    junit: Path | None


@click.command("hyperapi-rules")
@click.argument("url", required=False)
@click.option("--list", "listing", is_flag=True, help="Show the rules, and make no request.")
@click.option("--only", multiple=True, metavar="RULE", help="Check this rule alone. Repeatable.")
@click.option("--yes", is_flag=True, help="Consent to writing to a host that is not this machine.")
@click.option("--user", multiple=True, metavar="NAME", help="Use this account. Repeatable.")
@click.option(
    "--password",
    envvar="HYPERAPI_RULES_PASSWORD",
    help="The password of these accounts; better in the variable HYPERAPI_RULES_PASSWORD.",
)
@click.option("--cacert", type=_FILE, help="Trust these certificates too.")
@click.option("--max-requests", default=30_000, show_default=True, type=click.IntRange(1))
@click.option(
    "--max-wait",
    default=120,
    show_default=True,
    type=click.IntRange(0),
    help="The most seconds to wait in all, where the service limits requests.",
)
@click.option("--json", "json_file", type=_FILE, help="Write the report as JSON, too.")
@click.option("--junit", "junit_file", type=_FILE, help="Write the report as JUnit's XML, too.")
def main(
    url: str | None,
    listing: bool,
    only: tuple[str, ...],
    yes: bool,
    user: tuple[str, ...],
    password: str | None,
    cacert: Path | None,
    max_requests: int,
    max_wait: int,
    json_file: Path | None,
    junit_file: Path | None,
) -> None:
    """Check that the hyperapi at URL keeps the rules of the whole API.

    The command registers users with random names, makes data as these users, and deletes the users
    with their data at the end.
    """
    if listing:
        _in_pytest(_list)
    if url is None:
        raise click.UsageError("Give the URL of the root of a hyperapi, or --list.")
    if find_spec("httpx") is None:
        _end("hyperapi-rules needs httpx. Install it: pip install '/path/to/hyperapi[testing]'")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        _end(f"{url} is no URL of a service. Write it with http:// or https://.")
    if not yes and not is_loopback(url):
        _end(f"The rules write to {url}, in accounts of their own. Add --yes to consent.")
    if user and password is None:
        password = click.prompt("Password of these accounts", hide_input=True, err=True)
    given = tuple((name, password or "") for name in user)
    options = Options(url, only, given, cacert, max_requests, max_wait, json_file, junit_file)
    _in_pytest(lambda: _run(options))


def _in_pytest(work: Callable[[], int]) -> None:
    """Do something inside of pytest, and end with what it returns."""

    class Work:
        def pytest_cmdline_main(self) -> int:
            return work()

    nothing = ["-c", os.devnull, "--rootdir", os.getcwd(), "--noconftest", "--capture=no"]
    quiet = ["-p", "no:cacheprovider", "-W", "ignore", "--disable-plugin-autoload"]
    sys.exit(pytest.main([*nothing, *quiet], plugins=[Work()]))


def _list() -> int:
    from hyperapi.testing.rules import RULES

    for rule in RULES:
        needs = f" (not from outside: needs {rule.needs})" if rule.needs else ""
        sentence = rule.clause.partition("\n\n")[0].replace("\n", " ")
        click.echo(f"{rule.name}: {sentence}{needs}")
    click.echo(_how_many())
    return PASSED


def _how_many() -> str:
    from hyperapi.testing.rules import RULES
    from hyperapi.testing.url_run import from_outside

    return f"{len(from_outside())} of {len(RULES)} rules can be checked from outside."


def _run(options: Options) -> int:
    from hyperapi.testing import run_report, url_run
    from hyperapi.testing.deployment import Bounds
    from hyperapi.testing.rules import RULES
    from hyperapi.testing.world import CannotRun

    by_name = {rule.name: rule for rule in RULES}
    if unknown := [name for name in options.only if name not in by_name]:
        return _cannot(f"There is no rule {unknown[0]}. See hyperapi-rules --list.")
    rules = [by_name[name] for name in options.only] or list(RULES)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    click.echo(f"{_how_many()}\n")
    try:
        found = url_run.run(
            options.url,
            rules,
            Bounds(options.most_requests, options.longest_wait),
            trusted=url_run.trust(options.cacert),
            given=options.given,
            say=click.echo,
            told=lambda outcome: click.echo(run_report.line(outcome)),
        )
    except CannotRun as reason:
        return _cannot(str(reason))
    finally:
        signal.signal(signal.SIGTERM, before)
    click.echo(f"\n{run_report.text(found)}")
    for path, write in ((options.json, run_report.as_json), (options.junit, run_report.as_junit)):
        if path is not None:
            path.write_text(write(found))
    return _status(found)


def _status(found: "Run") -> int:
    if found.with_result("failed"):
        return FAILED
    return CANNOT_RUN if found.stopped or not found.with_result("passed") else PASSED


def _cannot(reason: str) -> int:
    click.echo(reason, err=True)
    return CANNOT_RUN


def _end(reason: str) -> None:
    sys.exit(_cannot(reason))
