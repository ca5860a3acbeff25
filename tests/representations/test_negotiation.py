"""Which shape and which content coding a client is given."""

import pytest

from hyperapi.representations.negotiation import choose, choose_coding

JSON = "application/json"
HAL = "application/hal+json"
FORMS = "application/prs.hal-forms+json"
OFFERED = (JSON, HAL, FORMS)

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        # Whoever does not say gets the default.
        (None, JSON),
        ("", JSON),
        ("  ", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("*/*;q=0.1", JSON),
        (BROWSER, JSON),
        # Whoever names one gets that.
        (JSON, JSON),
        (HAL, HAL),
        (FORMS, FORMS),
        ("APPLICATION/HAL+JSON", HAL),
        ("application/json; charset=utf-8", JSON),
        ("application/hal+json;profile=x;q=0.5", HAL),
        (' application/hal+json ; q=1 ; a="b"', HAL),
        # The highest weight wins.
        (f"{JSON};q=0.9, {HAL};q=0.8", JSON),
        (f"{JSON};q=0.8, {HAL};q=0.9", HAL),
        (f"{JSON};q=0.001, image/png", JSON),
        (f"{FORMS};q=0.1, {HAL};q=0.2, {JSON};q=0.3", JSON),
        (f"{HAL};q=0.5, */*", JSON),
        # A name beats a wildcard.
        (f"{HAL}, */*", HAL),
        (f"*/*, {HAL}", HAL),
        (f"application/*, {HAL}", HAL),
        # Among equals the richest that is named wins.
        (f"{JSON}, {HAL}, {FORMS}", FORMS),
        (f"{FORMS}, {HAL}, {JSON}", FORMS),
        (f"{JSON}, {HAL}", HAL),
        (f"{JSON}, {HAL}, {FORMS};q=0.9", HAL),
        # What is weighed at nothing is not wanted.
        (f"{JSON};q=0, */*", HAL),
        (f"{JSON};q=0, {HAL};q=0.0, application/*", FORMS),
        (f"application/*;q=0, */*, {HAL}", HAL),
        # What is no media range is passed over.
        (f"json, {HAL}", HAL),
        (f",,{HAL},", HAL),
        (f"a/b/c, ;, {HAL};q=0.5", HAL),
        (f"{JSON};q=2", JSON),
    ],
)
def test_i_get_what_i_would_rather_have(accept: str | None, chosen: str) -> None:
    assert choose(accept, OFFERED) == chosen


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "text/*",
        "application/xml",
        "application/json;q=0",
        "*/*;q=0",
        "application/*;q=0, */*;q=0.5",
        "application/jsonx",
        "json",
        ",",
        "application/json;q=nan",
        "application/json;q=-1",
        "application/json;q=high",
    ],
)
def test_i_get_nothing_when_nothing_suits_me(accept: str) -> None:
    assert choose(accept, OFFERED) is None


HTML, STREAM = "text/html", "text/event-stream"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (f"{JSON};q=0, */*", HAL),
        (f"{JSON};q=0, {HAL};q=0, */*", FORMS),
        ("application/*;q=0, */*", None),
        ("text/*", None),
        ("text/*, */*;q=0.1", JSON),
        ("text/*, application/json;q=0.1", JSON),
        (f"{HTML}, */*", HTML),
        (f"text/*, {HTML};q=0.5, {JSON};q=0.4", HTML),
        (f"text/*;q=0.9, {STREAM};q=0.1, {JSON};q=0", STREAM),
        (f"{HTML};q=0, */*", JSON),
        (BROWSER, HTML),
    ],
)
def test_a_wildcard_selects_no_type_that_has_to_be_named(accept: str, chosen: str | None) -> None:
    offered = (JSON, HTML, HAL, FORMS, STREAM)
    assert choose(accept, offered, only_by_name=(HTML, STREAM)) == chosen


def test_it_does_not_matter_how_much_i_ask_for() -> None:
    assert choose("image/png," * 10_000 + JSON, OFFERED) is None
    assert choose(JSON + ",image/png" * 10_000, OFFERED) == JSON
    assert choose("application/json;" + "a=b;" * 10_000, OFFERED) == JSON


CODINGS = (IDENTITY, GZIP, ZSTD) = ("identity", "gzip", "zstd")


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (None, IDENTITY),
        ("", IDENTITY),
        (" ", IDENTITY),
        ("br", IDENTITY),
        ("br;q=1.0, deflate", IDENTITY),
        ("gzip", GZIP),
        ("GZIP", GZIP),
        ("gzip;q=0.001", GZIP),
        ("gzip, deflate", GZIP),
        ("gzip, deflate, br, zstd", ZSTD),
        ("zstd, gzip", ZSTD),
        ("gzip;q=0.9, zstd;q=0.8", GZIP),
        ("gzip ; q=0.8 , zstd ; q=0.9", ZSTD),
        ("gzip, identity", GZIP),
        ("gzip;q=0.5, identity", IDENTITY),
        ("gzip;q=0.5, identity;q=0.4", GZIP),
        ("identity", IDENTITY),
        ("*", IDENTITY),
        ("gzip, *", GZIP),
        ("gzip;q=0.5, *", IDENTITY),
        ("identity;q=0, *", GZIP),
        ("identity;q=0, gzip;q=0, *;q=0.1", ZSTD),
        ("gzip, *;q=0", GZIP),
        ("gzip, identity;q=0", GZIP),
        ("gzip;q=0", IDENTITY),
        ("gzip;q=0, zstd;q=0", IDENTITY),
        ("zstd;q=high", IDENTITY),
        ("identity;q=0.5, *;q=0", IDENTITY),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("br, identity;q=0", None),
        ("br, *;q=0", None),
        ("gzip;q=0, zstd;q=0, identity;q=0, *", None),
    ],
)
def test_i_get_the_coding_that_i_would_rather_have(asked: str | None, chosen: str | None) -> None:
    assert choose_coding(asked, CODINGS) == chosen
