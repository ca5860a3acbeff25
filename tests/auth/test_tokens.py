"""Tokens as signed text: what is written is read, and nothing else is."""

import logging
import random
import string
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask import Flask
from itsdangerous import Signer

from hyperapi.auth.tokens import AccessTokens, BadToken, Claims, RefreshTokens, Tokens
from hyperapi.querying.cursor import Cursors, Direction, Position
from hyperapi.state import state_of
from tests.auth.trading import Clock, refresh, refreshed, signed_in, try_out, works
from tests.challenges import METADATA
from tests.conftest import Person, problem

NOW = 1_900_000_000
CLAIMS = Claims(str(uuid4()), str(uuid4()), NOW, NOW + 3600)
ALPHABET = string.ascii_letters + string.digits + "-_.=+/ ~\x00é"


def tokens(*keys: str, purpose: str = "access", prefix: str = "hya_") -> Tokens:
    """A writer and reader of tokens, by some keys."""
    return Tokens(keys or ("key",), purpose, prefix)


def test_a_token_says_what_was_written() -> None:
    assert tokens().read(tokens().write(CLAIMS), NOW) == CLAIMS


def test_a_token_can_be_found_by_a_secret_scanner_and_sent_in_a_header() -> None:
    text = tokens().write(CLAIMS)
    assert text.startswith("hya_")
    assert set(text) <= set(string.ascii_letters + string.digits + "-_.")
    assert len(text) < 150


def test_nothing_private_is_in_a_token() -> None:
    payload = urlsafe_b64decode(
        tokens().write(CLAIMS).removeprefix("hya_").partition(".")[0] + "=="
    )
    ids = (CLAIMS.owner + CLAIMS.session).replace("-", "")
    assert bytes.fromhex(ids) == payload[:32]
    assert len(payload) <= 64


def mutations(text: str, number: int) -> Iterator[str]:
    """Texts that are nearly ``text``, and never it."""
    chance = random.Random(20300131)
    made = 0
    while made < number:
        characters = list(text)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            place = chance.randrange(len(characters))
            match chance.randrange(5):
                case 0:
                    characters[place] = chance.choice(ALPHABET)
                case 1:
                    characters.insert(place, chance.choice(ALPHABET))
                case 2:
                    del characters[place]
                case 3:
                    characters[place] = characters[place].swapcase()
                case _:
                    other = chance.randrange(len(characters))
                    characters[place], characters[other] = characters[other], characters[place]
        mutated = "".join(characters)
        if mutated != text:
            made += 1
            yield mutated


def test_of_ten_thousand_changed_tokens_none_is_taken() -> None:
    reader = tokens()
    text = reader.write(CLAIMS)
    taken = []
    for mutated in mutations(text, 10_000):
        try:
            reader.read(mutated, NOW)
        except BadToken:
            continue
        taken.append(mutated)
    assert taken == []


def test_the_last_character_cannot_be_varied() -> None:
    reader = tokens()
    text = reader.write(CLAIMS)
    for character in set(ALPHABET) - {text[-1]}:
        with pytest.raises(BadToken):
            reader.read(text[:-1] + character, NOW)


@pytest.mark.parametrize("text", ["", "hya_", "hya_.", "hya_..", "hya_a.b", ".", "é", "hya_" * 99])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(BadToken):
        tokens().read(text, NOW)


def test_the_last_key_signs_and_all_of_them_verify() -> None:
    old, both, new = tokens("one"), tokens("one", "two"), tokens("two")
    assert both.read(old.write(CLAIMS), NOW) == CLAIMS
    assert new.read(both.write(CLAIMS), NOW) == CLAIMS
    for reader, writer in ((old, both), (new, old), (tokens("three"), both)):
        with pytest.raises(BadToken):
            reader.read(writer.write(CLAIMS), NOW)


@pytest.mark.parametrize("prefix", ["hya_", "hyr_"])
def test_a_token_of_another_purpose_is_refused(prefix: str) -> None:
    other = tokens(purpose="refresh", prefix=prefix).write(CLAIMS)
    for text in (other, "hya_" + other.removeprefix(prefix)):
        with pytest.raises(BadToken):
            tokens().read(text, NOW)


def test_something_else_that_is_signed_with_our_key_is_no_token() -> None:
    for salt in ("hyperapi.cursor", "itsdangerous.Signer", ""):
        payload = tokens().write(CLAIMS).removeprefix("hya_").partition(".")[0]
        forged = Signer("key", salt=salt).sign(payload.encode()).decode()
        with pytest.raises(BadToken):
            tokens().read("hya_" + forged, NOW)


def test_a_signers_clock_may_be_a_minute_ahead_and_no_more() -> None:
    text = tokens().write(CLAIMS)
    assert tokens().read(text, NOW - 60) == CLAIMS
    with pytest.raises(BadToken):
        tokens().read(text, NOW - 61)


# -- sent to the service

SOMEONE = str(uuid4())


def of_the_service(app: Flask, kind: type[Tokens] = AccessTokens) -> Tokens:
    """The service's own writer of tokens."""
    return state_of(app)[kind]


def claims_of(app: Flask, person: Person) -> Claims:
    """What the person's token says."""
    return of_the_service(app).read(person.token, datetime.now(UTC).timestamp())


def shifted(claims: Claims, **by: timedelta) -> Claims:
    """The same, with instants moved."""
    moved = {name: getattr(claims, name) + delta.total_seconds() for name, delta in by.items()}
    return replace(claims, **moved)


Forge = Callable[[Flask, Person], str]


def foreign(app: Flask, person: Person) -> str:
    """Signed in the right way with a key that is not ours."""
    return Tokens(["another key"], "access", "hya_").write(claims_of(app, person))


def of_the_future(app: Flask, person: Person) -> str:
    day = timedelta(days=1)
    return of_the_service(app).write(shifted(claims_of(app, person), issued=day, expires=day))


def of_the_past(app: Flask, person: Person) -> str:
    ago = -timedelta(days=2)
    return of_the_service(app).write(shifted(claims_of(app, person), issued=ago, expires=ago))


def of_no_session(app: Flask, person: Person) -> str:
    return of_the_service(app).write(replace(claims_of(app, person), session=SOMEONE))


def of_nobody(app: Flask, person: Person) -> str:
    return of_the_service(app).write(replace(claims_of(app, person), owner=SOMEONE))


def to_refresh(app: Flask, person: Person) -> str:
    return of_the_service(app, RefreshTokens).write(claims_of(app, person))


def to_refresh_dressed_up(app: Flask, person: Person) -> str:
    return "hya_" + to_refresh(app, person)[4:]


def a_cursor(app: Flask, person: Person) -> str:
    cursors: Cursors = state_of(app)[Cursors]
    return "hya_" + cursors.write(Position(Direction.LAST), "tasks")


def cut_in_half(_: Flask, person: Person) -> str:
    return person.token[: len(person.token) // 2]


def with_another_signature(app: Flask, person: Person) -> str:
    return person.token.rpartition(".")[0] + "." + foreign(app, person).rpartition(".")[2]


def huge(_: Flask, person: Person) -> str:
    return person.token * 2000


FORGED: dict[Forge, str] = {
    foreign: "token-invalid",
    of_the_future: "token-invalid",
    of_the_past: "token-expired",
    of_no_session: "token-revoked",
    of_nobody: "token-revoked",
    to_refresh: "token-invalid",
    to_refresh_dressed_up: "token-invalid",
    a_cursor: "token-invalid",
    cut_in_half: "token-invalid",
    with_another_signature: "token-invalid",
    huge: "token-invalid",
}


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_what_does_not_count_is_401_and_logged_once(
    app: Flask, alice: Person, caplog: pytest.LogCaptureFixture, forge: Forge
) -> None:
    text = forge(app, alice)
    with caplog.at_level(logging.INFO, "hyperapi"):
        reply = try_out(alice, text)
    problem(reply, 401, FORGED[forge])
    assert reply.headers.getlist("WWW-Authenticate") == [
        f'Bearer error="invalid_token", {METADATA}'
    ]
    [line] = caplog.records
    assert line.levelname == "INFO"
    assert line.fields["status"] == 401  # type: ignore[attr-defined]
    assert text[:100] not in str(line.__dict__)


def test_no_part_of_a_token_will_do(alice: Person) -> None:
    for length in range(1, len(alice.token)):
        problem(try_out(alice, alice.token[:length]), 401, "token-invalid")
    for start in range(1, len(alice.token)):
        problem(try_out(alice, alice.token[start:]), 401, "token-invalid")
    assert works(alice, alice.token)


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_changed_tokens_are_never_more_than_a_401(
    app: Flask, alice: Person, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    session = signed_in(alice)
    text = session[f"{kind}_token"]
    with caplog.at_level(logging.WARNING):
        for mutated in mutations(text, 500):
            sendable = mutated.encode().decode("latin-1").replace("\x00", "")
            if kind == "access" and sendable.strip() != text:
                problem(try_out(alice, sendable), 401, "token-invalid")
            if kind == "refresh" and "\x00" not in mutated:
                problem(refresh(alice, mutated), 401, "token-invalid")
    assert caplog.records == []
    assert works(alice, session)


SCHEMES = ["Bearer", "bearer", "BEARER", "Bearer  ", "Bearer \t"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_good_token_is_good_however_its_scheme_is_written(alice: Person, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {alice.token}"}
    assert alice.client.get("/api/v1/lists", headers=header).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["Bearer {0} {0}", "Bearer {0},{0}", 'Bearer "{0}"', "Bearer token={0}", "Bearer hya_ {0}"],
)
def test_a_good_token_among_others_is_not_valid(alice: Person, header: str) -> None:
    sent = {"Authorization": header.format(alice.token)}
    problem(alice.client.get("/api/v1/lists", headers=sent), 401, "token-invalid")


def test_a_token_is_taken_from_its_header_alone(alice: Person) -> None:
    uri = f"/api/v1/lists?access_token={alice.token}"
    problem(alice.client.get(uri), 401, "token-missing")
    body = {"title": "x", "access_token": alice.token}
    problem(alice.client.post("/api/v1/lists", data=body), 401, "token-missing")
    alice.client.set_cookie("access_token", alice.token)
    problem(alice.client.get("/api/v1/lists"), 401, "token-missing")


def test_clocks_that_differ_by_less_than_a_minute_sign_nobody_out(
    app: Flask, alice: Person, clock: Clock
) -> None:
    clock(timedelta(seconds=50))  # where the token was made
    session = signed_in(alice)
    clock(timedelta())
    assert works(alice, session)
    newer = refreshed(alice, session)
    clock(timedelta(seconds=-5))
    assert works(alice, newer)
    assert refresh(alice, session).status_code == 200
    clock(timedelta(minutes=-2))
    problem(try_out(alice, newer), 401, "token-invalid")
    clock(timedelta())
    assert works(alice, newer)
