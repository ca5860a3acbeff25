"""``/.well-known/security.txt``: there when an operator gave a contact, and valid by RFC 9116."""

from datetime import datetime, timedelta

import pytest

from hyperapi.common.clock import move, now
from hyperapi.resources.security_txt import SECURITY
from tests.conftest import MakeApp, Person, problem

FILE = "/.well-known/security.txt"
MAIL, FORM = "mailto:security@example.org", "https://example.org/security?about=todo"

pytestmark = pytest.mark.only_on("sqlite")  # no database plays a part in this


def fields_of(text: str) -> list[tuple[str, str]]:
    """The fields of a file, in their order; it holds nothing else."""
    assert text.endswith("\n")
    return [
        (name, value) for name, _, value in (line.partition(": ") for line in text.split("\n"))
    ][:-1]


def expiry(person: Person) -> datetime:
    """The instant at which the file ends."""
    return datetime.fromisoformat(dict(fields_of(person.ask("GET", FILE).text))["Expires"])


def test_without_a_contact_there_is_no_file(make_app: MakeApp) -> None:
    app = make_app(security_contact="")
    problem(app.test_client().get(FILE), 404, "not-found")


def test_the_file_has_the_contacts_in_their_order_and_ends_within_a_year(
    make_app: MakeApp,
) -> None:
    app = make_app(security_contact=f"{MAIL}, {FORM}")
    reply = app.test_client().get(FILE, headers={"Accept": "application/json"})
    assert reply.status_code == 200
    assert reply.content_type == "text/plain; charset=utf-8"
    found = fields_of(reply.text)
    assert found[:2] == [("Contact", MAIL), ("Contact", FORM)]
    assert [name for name, _ in found[2:]] == ["Expires"]
    assert timedelta(days=90) < expiry(Person(app.test_client())) - now() < timedelta(days=365)


def test_the_file_is_the_same_for_a_day_and_never_expired(make_app: MakeApp) -> None:
    person = Person(make_app(security_contact=MAIL).test_client())
    tag = person.ask("GET", FILE).headers["ETag"]
    started = now()
    to_midnight = timedelta(days=1) - timedelta(
        hours=started.hour, minutes=started.minute, seconds=started.second
    )
    try:
        move(to_midnight)
        first = person.ask("GET", FILE).headers["ETag"]
        assert first != tag
        move(to_midnight + timedelta(hours=23))
        known = person.ask("GET", FILE, headers={"If-None-Match": first})
        assert known.status_code == 304
        move(timedelta(days=1000))
        assert expiry(person) > now()
    finally:
        move(timedelta(0))


@pytest.mark.parametrize(
    ("public_url", "canonical"),
    [
        ("", []),
        ("http://todo.example.org", []),
        ("https://todo.example.org", [f"https://todo.example.org{FILE}"]),
        ("https://example.org:8443/todo", [f"https://example.org:8443{FILE}"]),
    ],
)
def test_the_canonical_uri_is_the_operators_and_none_that_a_client_chose(
    make_app: MakeApp, public_url: str, canonical: list[str]
) -> None:
    client = make_app(security_contact=MAIL, public_url=public_url).test_client()
    found = fields_of(client.get(FILE, headers={"Host": "evil.example"}).text)
    assert [value for name, value in found if name == "Canonical"] == canonical
    assert "evil" not in str(found)


def test_the_file_is_an_operation_as_any_other(make_app: MakeApp) -> None:
    client = make_app(security_contact=MAIL).test_client()
    head = client.head(FILE)
    assert (head.status_code, head.data) == (200, b"")
    assert client.options(FILE).headers["Allow"] == ", ".join(SECURITY.methods)
    problem(client.post(FILE), 405, "method-not-allowed")
    described = Person(client).get("/api/v1/openapi.json")["paths"][FILE]["get"]
    assert list(described["responses"]["200"]["content"]) == ["text/plain"]
    assert FILE not in Person(make_app().test_client()).get("/api/v1/openapi.json")["paths"]
