"""Redirect URIs: which ones an operator can register, and which requests match one."""

import pytest

from hyperapi.auth.redirect_uris import fault_of, form_actions, is_registered

WEB = "https://app.example.org/callback"
LOOPBACK = "http://127.0.0.1/callback"


@pytest.mark.parametrize(
    "uri",
    [
        WEB,
        "https://app.example.org:8443/a/b?c=d",
        "https://app.example.org",
        "http://127.0.0.1:8080/",
        "http://[::1]/callback",
        "http://localhost:3000/callback",
        "org.example.app:/callback",
        "org.example.app://callback",
    ],
)
def test_these_can_be_registered(uri: str) -> None:
    assert fault_of(uri) is None
    assert is_registered(uri, [uri])


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("", "absolute"),
        ("/callback", "private scheme"),
        ("//app.example.org/callback", "private scheme"),
        ("http://app.example.org/callback", "https"),
        ("http://127.0.0.2/callback", "https"),
        ("http://127.1/callback", "https"),
        ("http://127.0.0.1.example.org/callback", "https"),
        (WEB + "#", "fragment"),
        (WEB + "#token", "fragment"),
        ("https://*.example.org/callback", "wildcard"),
        (WEB + "/*", "wildcard"),
        ("https://user@app.example.org/callback", "user name"),
        ("https://app.example.org:pass@evil.example/callback", "user name"),
        ("http://127.0.0.1:80@evil.example/callback", "user name"),
        ("https://app.example.org:99999/callback", "private scheme"),
        ("https://app.example.org:0/callback", "private scheme"),
        ("https:///callback", "private scheme"),
        ("https://-/callback", "private scheme"),
        ("https://app.example.org\\@evil.example/", "absolute"),
        ("https://app.example.org/\r\nSet-Cookie:a=b", "absolute"),
        ("https://app.example.org/a b", "absolute"),
        ("https://app.example.org/é", "absolute"),
        ("https://app.example.org;script-src/", "private scheme"),
        ("javascript:alert(1)", "private scheme"),
        ("data:text/html,x", "private scheme"),
        ("app:/callback", "private scheme"),
        ("HTTPS://app.example.org/", "private scheme"),
        (WEB + "?" + "a" * 1000, "longer"),
    ],
)
def test_these_cannot(uri: str, reason: str) -> None:
    assert reason in (fault_of(uri) or "")
    assert not is_registered(uri, [uri])


@pytest.mark.parametrize(
    "uri",
    [
        WEB + "/",
        WEB + "/../callback",
        "https://app.example.org/Callback",
        "https://app.example.org/%63allback",
        "https://APP.example.org/callback",
        "https://app.example.org:443/callback",
        "https://app.example.org./callback",
        "https://evil.example/callback",
        "https://app.example.org.evil.example/callback",
        "http://app.example.org/callback",
        WEB + "?next=https://evil.example",
        "https://app.example.org/callback%2F",
        "https://app.example.org/callback;a",
        "https://app.example.org//callback",
    ],
)
def test_a_request_that_differs_in_anything_does_not_match(uri: str) -> None:
    assert is_registered(WEB, [WEB])
    assert not is_registered(uri, [WEB])


def test_the_port_of_a_loopback_address_may_differ_and_nothing_else() -> None:
    for uri in (LOOPBACK, "http://127.0.0.1:1/callback", "http://127.0.0.1:65535/callback"):
        assert is_registered(uri, [LOOPBACK])
        assert is_registered(uri, ["http://127.0.0.1:8080/callback"])
    assert is_registered("http://[::1]:9/callback", ["http://[::1]/callback"])
    for uri in (
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:80/callback/",
        "http://127.0.0.1:80/callback?a=b",
        "http://localhost:80/callback",
        "https://127.0.0.1:80/callback",
        "http://127.0.0.1:80@evil.example/callback",
    ):
        assert not is_registered(uri, [LOOPBACK]), uri
    assert not is_registered("http://localhost:2/callback", ["http://localhost:1/callback"])
    assert not is_registered("https://127.0.0.1:2/", ["https://127.0.0.1:1/"])


def test_a_policy_names_the_origin_or_the_scheme_alone() -> None:
    assert form_actions(WEB + "?a=b") == "https://app.example.org"
    assert form_actions("http://127.0.0.1:8080/callback") == "http://127.0.0.1:8080"
    assert form_actions("http://[::1]:8080/callback") == "http:"
    assert form_actions("org.example.app:/callback") == "org.example.app:"
