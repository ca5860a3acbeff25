"""What the environment says about proxies and certificates, and what the client makes of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hyperapi_client import AsyncClient, BadEnvironment, Client, ClientError, Unreachable
from hyperapi_client.environment import bypassed, route_to

from tests.client.conftest import ROOT, Road

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
HTTP, HTTPS = "http://todo.example.org/", "https://todo.example.org/"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment that says nothing."""
    for name in (*VARIABLES, *map(str.lower, VARIABLES), *FILES):
        monkeypatch.delenv(name, raising=False)
    return iter([None])


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("socks://127.0.0.1:1/", "kind 'socks'"),
        ("socks4://127.0.0.1:1", "kind 'socks4'"),
        ("socks5://127.0.0.1:1", "httpx.socks"),
        ("socks5h://127.0.0.1:1", "httpx.socks"),
        ("SOCKS5://127.0.0.1:1", "httpx.socks"),
        ("ftp://127.0.0.1:1", "kind 'ftp'"),
        ("http://127.0.0.1:99999", "ports"),
        ("127.0.0.1:99999", "ports"),
        ("http://", "no host"),
        ("http://[::1", "does not name a proxy"),
        ("http://ann:secret@127.0.0.1:x", "does not name a proxy"),
        ("http://ann:secret@127.0.0.1:99999", "ports"),
    ],
)
@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize("lower", [True, False])
def test_a_proxy_that_cannot_be_used_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
    make: type[Client | AsyncClient],
    named: str,
    said: str,
    lower: bool,
) -> None:
    monkeypatch.setattr("hyperapi_client.environment.find_spec", lambda _: None)
    for kind, url in (("HTTP_PROXY", HTTP), ("HTTPS_PROXY", HTTPS), ("ALL_PROXY", HTTP)):
        variable = kind.lower() if lower else kind
        with monkeypatch.context() as patch:
            patch.setenv(variable, named)
            with pytest.raises(BadEnvironment, match=said) as caught:
                make(url)
            assert caught.value.variable == variable
            assert variable in str(caught.value)
            assert "secret" not in str(caught.value)
            if kind != "ALL_PROXY":
                other = HTTPS if url == HTTP else HTTP
                make(other)  # does not go that way
            patch.setenv("no_proxy" if lower else "NO_PROXY", "localhost, todo.example.org")
            make(url)


@pytest.mark.parametrize(
    ("named", "proxy"),
    [
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy.example", "http://proxy.example"),
        ("https://proxy.example:3129", "https://proxy.example:3129"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_a_proxy_is_used_for_the_urls_that_go_that_way(
    monkeypatch: pytest.MonkeyPatch, named: str, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", named)
    found = route_to(HTTP).proxy
    assert found is not None
    assert found.url == httpx.URL(proxy)
    monkeypatch.setenv("http_proxy", "http://another.example")
    found = route_to(HTTP).proxy
    assert found is not None
    assert found.url.host == "another.example"


@pytest.mark.parametrize(
    ("no_proxy", "url", "expected"),
    [
        ("*", HTTP, True),
        ("", HTTP, False),
        ("example.org", HTTP, True),
        (".example.org", HTTP, True),
        ("*.example.org", HTTP, True),
        ("EXAMPLE.ORG", HTTP, True),
        ("ample.org", HTTP, False),
        ("http://todo.example.org", HTTP, True),
        ("todo.example.org:80", HTTP, True),
        ("todo.example.org:81", HTTP, False),
        ("todo.example.org:443", HTTPS, True),
        ("a b,todo.example.org  c", HTTP, True),
        ("127.0.0.1", "http://127.0.0.1:5000", True),
        ("127.0.0.0/8", "http://127.0.0.1:5000", True),
        ("10.0.0.0/8", "http://127.0.0.1:5000", False),
        ("127.0.0.1:5000", "http://127.0.0.1:5000", True),
        ("127.0.0.1:5001", "http://127.0.0.1:5000", False),
        ("localhost,[::1]", "http://[::1]:5000", True),
        ("::1", "http://[::1]:5000", True),
        ("[::1]:5000", "http://[::1]:5000", True),
        ("[::1]:5001", "http://[::1]:5000", False),
        ("fe80::/10", "http://[fe80::1]:5000", True),
        ("::1", "http://127.0.0.1:5000", False),
        ("[, ]:, :, //, [::1, 1.2.3.4/99, [x]:y", "http://[::1]:5000", False),
    ],
)
def test_no_proxy_names_hosts(no_proxy: str, url: str, expected: bool) -> None:
    assert bypassed(no_proxy, httpx.URL(url)) is expected


@pytest.mark.parametrize("variable", FILES)
@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_files_that_cannot_be_used_matter_where_something_is_encrypted(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    make: type[Client | AsyncClient],
) -> None:
    (tmp_path / "empty").touch()
    values = [str(tmp_path / "missing" / "x")]
    if variable == "SSL_CERT_FILE":
        values += [str(tmp_path), str(tmp_path / "empty")]
    for value in values:
        monkeypatch.setenv(variable, value)
        make(HTTP)
        with pytest.raises(BadEnvironment, match=variable) as caught:
            make(HTTPS)
        assert value in str(caught.value)
        monkeypatch.setenv("HTTP_PROXY", "https://proxy.example")
        with pytest.raises(BadEnvironment, match=variable):
            make(HTTP)
        monkeypatch.delenv("HTTP_PROXY")


def test_several_folders_of_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", f"/missing{os.pathsep}{tmp_path}")
    assert "SSL_CERT_DIR" in route_to(HTTPS).trust


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000", "https://127.0.0.1:5000"])
def test_a_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://ann:secret@127.0.0.1:1")
    with Client(url, retries=0) as client, pytest.raises(Unreachable) as caught:
        client.root()
    said = str(caught.value)
    assert "Requests go through the proxy http://127.0.0.1:1, which ALL_PROXY names." in said
    assert "secret" not in said


def test_the_environment_does_not_matter_to_a_client_or_transport_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, road: Road
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/missing")
    assert Client(ROOT, transport=road).root().title
    with httpx.Client(transport=road, trust_env=False, verify=False) as http:
        assert Client(ROOT, http=http).root().title
    assert issubclass(BadEnvironment, ClientError)
