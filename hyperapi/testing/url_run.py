"""A run of the rules on a service at a URL: find its root, check the rules, clean up."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from werkzeug.test import TestResponse

from hyperapi.http import published
from hyperapi.testing.accounts import Accounts, emptied
from hyperapi.testing.deployment import Bounds, Deployment, Unreachable, UriClient
from hyperapi.testing.reports import Violation, found_in
from hyperapi.testing.rules import RULES
from hyperapi.testing.rules.rule import Rule, name_of
from hyperapi.testing.url_world import UrlWorld
from hyperapi.testing.world import CannotRun, NotChecked

Say = Callable[[str], None]
_REDIRECTS = 5
_FRAMING = ("content-type", "content-length")
_FOR_REMOVAL = Bounds(100_000, 600)


@dataclass(frozen=True)
class Service:
    """What a service says about itself: its root, and its OpenAPI document."""

    root: dict[str, Any]
    document: dict[str, Any]


@dataclass
class Outcome:
    """What came of one rule.

    :ivar operations: how many operations it was checked on.
    :ivar not_checked: the operations that it was not checked on, by the reason.
    :ivar finished: whether all operations were looked at.
    """

    rule: Rule
    operations: int = 0
    violations: list[Violation] = field(default_factory=list)
    not_checked: dict[str, list[str]] = field(default_factory=dict)
    finished: bool = False

    @property
    def result(self) -> str:
        """``failed``, ``passed``, or ``not checked`` where it was checked on nothing."""
        if self.violations:
            return "failed"
        return "passed" if self.finished and self.operations else "not checked"


@dataclass
class Run:
    """What came of a run.

    :ivar left: what could not be removed, as sentences.
    :ivar stopped: why it ended early; empty when it did not.
    """

    url: str
    outcomes: list[Outcome] = field(default_factory=list)
    requests: int = 0
    waited: float = 0
    accounts: int = 0
    left: list[str] = field(default_factory=list)
    stopped: str = ""

    def with_result(self, result: str) -> list[Outcome]:
        """The outcomes with one result."""
        return [each for each in self.outcomes if each.result == result]


def trust(cacert: Path | None) -> ssl.SSLContext:
    """The certificates to trust: those of this machine, and one more file.

    :raises CannotRun: when the file has no certificates.
    """
    context = ssl.create_default_context()
    if cacert is not None:
        try:
            context.load_verify_locations(cacert)
        except (ssl.SSLError, OSError) as error:
            raise CannotRun(f"{cacert} has no certificates ({error}). Check --cacert.") from None
    return context


def run(
    url: str,
    rules: Sequence[Rule],
    bounds: Bounds,
    *,
    trusted: ssl.SSLContext,
    given: Sequence[tuple[str, str]],
    say: Say,
    told: Callable[[Outcome], None],
) -> Run:
    """Check rules on a service.

    :param given: names and passwords of accounts to use instead of new ones.
    :param told: is told each outcome when it is there.
    :raises CannotRun: when the service cannot be reached, or is no hyperapi.
    """
    found = Run(url)
    deployment = Deployment(origin_of(url), bounds, trusted, say)
    try:
        service = discover(deployment, url)
        accounts = Accounts(service.root["users_uri"])
        deployment.heard = accounts.note
        if added := _added(service.document, deployment, url):
            say(f"Headers of a proxy, which no rule looks at: {', '.join(added)}.")
        _check_all(found, deployment, service, rules, given, accounts, say, told)
    except Unreachable as error:
        raise CannotRun(str(error)) from None
    finally:
        found.requests, found.waited = deployment.sent, deployment.waited
        deployment.close()
    return found


def _check_all(
    found: Run,
    deployment: Deployment,
    service: Service,
    rules: Sequence[Rule],
    given: Sequence[tuple[str, str]],
    accounts: Accounts,
    say: Say,
    told: Callable[[Outcome], None],
) -> None:
    world: UrlWorld | None = None
    try:
        world = _world(deployment, service, given)
        for rule in rules:
            outcome = Outcome(rule)
            found.outcomes.append(outcome)
            _check(world, outcome)
            told(outcome)
    except KeyboardInterrupt:
        found.stopped = "It was interrupted."
    except Unreachable as error:
        found.stopped = str(error)
    except AssertionError as failure:
        found.stopped = f"New people could not join: {found_in(failure)}"
    finally:
        deployment.bounds = _FOR_REMOVAL
        deployment.waited = 0
        found.accounts = accounts.made
        found.left = _removed(world, accounts, given, say, deployment, service)


def _world(deployment: Deployment, service: Service, given: Sequence[tuple[str, str]]) -> UrlWorld:
    """The service with its first people.

    :raises CannotRun: when nobody can join.
    """
    if not given and "register" not in _forms_at_registration(deployment, service):
        raise CannotRun("Registration is closed. Name accounts without data with --user.")
    try:
        return UrlWorld(deployment, service.document, given)
    except NotChecked as reason:
        if isinstance(reason, Unreachable):
            raise
        raise CannotRun(f"The rules cannot begin: {reason}.") from None
    except AssertionError as failure:
        said = found_in(failure).splitlines()[0]
        raise CannotRun(f"People cannot register, sign in and make things: {said}") from None


def _forms_at_registration(deployment: Deployment, service: Service) -> dict[str, Any]:
    asked = {"Accept": "application/prs.hal-forms+json"}
    reply = UriClient(deployment, TestResponse).get(service.root["users_uri"], headers=asked)
    shown: Any = reply.json if reply.status_code == 200 else {}
    return dict(shown.get("_templates", {}))


def _check(world: UrlWorld, outcome: Outcome) -> None:
    for operation in _operations(world, outcome.rule):
        try:
            broken = outcome.rule.violation(world, operation)
        except Unreachable:
            raise
        except NotChecked as reason:
            outcome.not_checked.setdefault(str(reason), []).append(name_of(operation))
            continue
        outcome.operations += 1
        if broken:
            outcome.violations.append(broken)
    outcome.finished = True
    if not outcome.operations and not outcome.not_checked:
        outcome.not_checked["applies to no operation of this service"] = []


def _operations(world: UrlWorld, rule: Rule) -> Iterator[Any]:
    every = [*world.operations, *(world.protocols if rule.protocols else ())]
    return (each for each in every if rule.holds_in(world, each))


def _removed(
    world: UrlWorld | None,
    accounts: Accounts,
    given: Sequence[tuple[str, str]],
    say: Say,
    deployment: Deployment,
    service: Service,
) -> list[str]:
    """Remove all that the run made. Return what is left, as sentences."""
    say("Removing what the rules made.")
    left = accounts.remove(deployment, service.root["tokens_uri"], say)
    if world is not None:
        for name, password in given:
            left += _emptied(world, name, password)
    for each in left:
        say(f"Not removed: {each}")
    return left


def _emptied(world: UrlWorld, name: str, password: str) -> list[str]:
    person = world.stranger
    person.name, person.password = name, password
    try:
        world.sign_in(person)
        return [f"{uri} of {name}" for uri in emptied(world, person)]
    except (AssertionError, NotChecked):
        return [f"the data of {name}: the account cannot sign in, or a deletion was refused"]


def discover(deployment: Deployment, url: str) -> Service:
    """Follow the links from a URL to the OpenAPI document.

    :raises CannotRun: when it is no hyperapi.
    """
    root = _json(deployment, url, "Give the URL of the root of a hyperapi.")
    where = root.get("service_desc_uri")
    if not {"uri", "users_uri", "tokens_uri"} <= root.keys() or not isinstance(where, str):
        raise CannotRun(
            f"{url} is no hyperapi: its root lacks links to registration, sign-in or a document."
        )
    if origin_of(root["uri"]) != deployment.origin:
        raise CannotRun(
            f"You asked {url}, and the service says that it is at {root['uri']}. Use that URL, or "
            "set HYPERAPI_PUBLIC_URL or HYPERAPI_TRUSTED_PROXIES at the service."
        )
    document = _json(deployment, where, "Ask its operator.")
    if published.NAME not in document:
        raise CannotRun(
            f"{where} has no member {published.NAME}: the service is another one, or older than "
            "this command. Use the hyperapi-rules of its version."
        )
    return Service(root, document)


def _json(deployment: Deployment, uri: str, advice: str) -> dict[str, Any]:
    """The JSON object at a URI.

    :param advice: what to do when there is none.
    :raises CannotRun: when there is none.
    """
    reply = _followed(deployment, uri)
    if reply.status_code != 200:
        raise CannotRun(f"GET {uri} gives {reply.status}. {advice}")
    found = reply.get_json(silent=True)
    if not isinstance(found, dict):
        raise CannotRun(f"{uri} is no hyperapi: its reply is no JSON object. {advice}")
    return found


def _followed(deployment: Deployment, uri: str) -> TestResponse:
    """The reply to GET, behind redirects of the same origin."""
    client = UriClient(deployment, TestResponse)
    for _ in range(_REDIRECTS):
        try:
            reply = client.get(uri, headers={"Accept": "application/json"})
        except NotChecked:
            raise
        except Exception as error:
            raise CannotRun(f"{uri} does not speak HTTP ({error}). Check the URL.") from None
        if reply.status_code not in (301, 302, 303, 307, 308):
            return reply
        uri = urljoin(uri, reply.headers["Location"])
        if origin_of(uri) != deployment.origin:
            raise CannotRun(f"The URL leads to {uri}. Give that URL.")
    raise CannotRun(f"{uri} redirects without end. Check the URL.")


def _added(document: dict[str, Any], deployment: Deployment, url: str) -> list[str]:
    """Have the headers left out that a proxy adds to replies. Return their names."""
    reply = _followed(deployment, url)
    documented = {name.lower() for name in document["components"]["headers"]}
    names = {name.lower() for name, _ in reply.headers} - documented - {*_FRAMING}
    added = {name for name in names if not name.startswith("access-control-")}
    deployment.added |= added
    return sorted(added)


def origin_of(url: str) -> str:
    """The scheme and host of a URL, without the default port of the scheme."""
    parts = urlsplit(url)
    host, port = parts.netloc.lower(), {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{host.removesuffix(port) if port else host}"


def from_outside() -> list[Rule]:
    """The rules that need nothing but requests."""
    return [rule for rule in RULES if not rule.needs]
