"""Tokens as signed text."""

import random
import string
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from uuid import uuid4

import pytest
from itsdangerous import Signer

from hyperapi.auth.tokens import BadToken, Claims, Tokens

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
