"""The name, description and logo that an operator gives the service."""

import re
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from hyperapi import Settings
from hyperapi.http.content_coding import CODINGS
from hyperapi.representations.page_script import FILES
from hyperapi.settings import SettingsError
from tests.conftest import MakeApp
from tests.representations.test_html import Page

pytestmark = pytest.mark.only_on("sqlite")  # no database plays a part in this

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
IMAGES = {
    "image/svg+xml": SVG,
    "image/png": b"\x89PNG\r\n\x1a\n rest",
    "image/jpeg": b"\xff\xd8\xff rest",
    "image/webp": b"RIFF\0\0\0\0WEBP rest",
}
BAD = {
    "no image": b"<html></html>",
    "an SVG cut off": SVG[:-3],
    "an SVG with entities": b'<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG,
    "too large": IMAGES["image/png"] + bytes(64 * 1024),
    "a RIFF that is no WebP": b"RIFF\0\0\0\0WAVE",
}
SCRIPT = {
    "type",
    "blocking",
    "src",
    *(f"data-{name}" for name in ("root", "sign-in", "register", "relations", "for-programs")),
}
"""The attributes of the one script of a page."""
HOSTILE = "</title><script>alert(1)</script> **bold**"


def logo(folder: Path, content: bytes) -> str:
    """The path of a file with this content."""
    path = folder / "logo"
    path.write_bytes(content)
    return str(path)


def test_the_usual_texts_are_about_lists_and_tasks(make_app: MakeApp) -> None:
    client = make_app().test_client()
    root = client.get("/api/v1/").get_json()
    assert root["title"] == "hyperapi"
    assert "to-do" in root["description"]
    assert "icon_uri" not in root
    document = client.get("/api/v1/openapi.json").get_json()
    assert "to-do" in document["info"]["summary"]
    assert client.get("/api/v1/docs/guide.md").status_code == 200


def test_a_service_without_lists_and_tasks_does_not_speak_of_them(make_app: MakeApp) -> None:
    client = make_app(resources="").test_client()
    assert "to-do" not in client.get("/api/v1/").text
    info = client.get("/api/v1/openapi.json").get_json()["info"]
    assert "to-do" not in str(info)
    written = client.get("/api/v1/openapi.json").text
    assert "lists and tasks" not in written
    assert "externalDocs" not in client.get("/api/v1/openapi.json").get_json()
    assert client.get("/api/v1/docs/guide.md").status_code == 404
    assert client.get("/api/v1/docs/guide").status_code == 404
    front = client.get("/api/v1/docs", headers={"Accept": "text/html"}).text
    assert "guide" not in front
    assert "/docs/reference" in front


def test_title_and_description_are_everywhere_and_markup_does_nothing(make_app: MakeApp) -> None:
    client = make_app(title=HOSTILE, description=HOSTILE).test_client()
    root = client.get("/api/v1/").get_json()
    assert (root["title"], root["description"]) == (HOSTILE, HOSTILE)
    document = client.get("/api/v1/openapi.json").get_json()
    validate(document)
    assert document["info"]["title"] == HOSTILE
    assert document["info"]["summary"] == HOSTILE
    assert "<script" not in document["info"]["description"].replace("\\<", "")
    assert "**" not in document["info"]["description"].replace("\\*", "")
    for path in ("/api/v1/", "/api/v1/lists", "/nothing"):
        page = Page(client.get(path, headers={"Accept": "text/html"}).text)
        scripts = [each for tag, each in page.elements if tag == "script"]
        assert [set(each) for each in scripts] == [SCRIPT]
        assert f"· {HOSTILE}" in page.text
    for part in ("docs", "docs/try", "docs/reference"):
        docs = client.get(f"/api/v1/{part}", headers={"Accept": "text/html"}).text
        assert "<script>alert" not in docs
    assert "&lt;script&gt;" in docs


@pytest.mark.parametrize("media_type", IMAGES)
def test_a_logo_is_served_and_shown(make_app: MakeApp, tmp_path: Path, media_type: str) -> None:
    client = make_app(logo=logo(tmp_path, IMAGES[media_type])).test_client()
    uri = client.get("/api/v1/").get_json()["icon_uri"]
    reply = client.get(uri)
    assert (reply.data, reply.mimetype) == (IMAGES[media_type], media_type)
    assert reply.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    )
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    known = {"If-None-Match": reply.headers["ETag"]}
    assert client.get(uri, headers=known).status_code == 304
    document = client.get("/api/v1/openapi.json").get_json()
    validate(document)
    assert document["info"]["x-logo"]["url"] == uri
    for path in ("/api/v1/", "/nothing"):
        page = client.get(path, headers={"Accept": "text/html"})
        assert page.headers["Content-Security-Policy"].endswith("; img-src 'self'")
        shown = [found for tag, found in Page(page.text).elements if tag == "img"]
        assert [found["src"] for found in shown] == [uri]
    assert uri in client.get("/api/v1/docs", headers={"Accept": "text/html"}).text


@pytest.mark.parametrize("media_type", IMAGES)
def test_only_a_logo_of_text_is_compressed(
    make_app: MakeApp, tmp_path: Path, media_type: str
) -> None:
    content = IMAGES[media_type].ljust(5000)
    client = make_app(logo=logo(tmp_path, content)).test_client()
    for coding in CODINGS:
        reply = client.get("/api/v1/logo", headers={"Accept-Encoding": coding})
        if media_type == "image/svg+xml":
            assert reply.headers["Content-Encoding"] == coding
        else:
            assert "Content-Encoding" not in reply.headers
            assert reply.data == content


def test_a_page_without_a_logo_may_show_no_image(make_app: MakeApp) -> None:
    page = make_app().test_client().get("/api/v1/", headers={"Accept": "text/html"})
    assert "img-src" not in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_logo_stops_the_start(tmp_path: Path, fault: str) -> None:
    with pytest.raises(SettingsError, match=r"^HYPERAPI_LOGO names "):
        Settings.read({"HYPERAPI_LOGO": logo(tmp_path, BAD[fault])})


def test_a_missing_logo_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.read({"HYPERAPI_LOGO": str(tmp_path / "none")})


@pytest.mark.parametrize("title", [" ", "x" * 101, "two\nlines"])
def test_a_bad_title_stops_the_start(title: str) -> None:
    with pytest.raises(SettingsError, match=r"^HYPERAPI_TITLE must"):
        Settings.read({"HYPERAPI_TITLE": title})


def test_an_operator_can_do_without_the_script(make_app: MakeApp) -> None:
    client = make_app(pages="plain").test_client()
    for path in ("/api/v1/", "/nothing"):
        reply = client.get(path, headers={"Accept": "text/html"})
        assert "script" not in {tag for tag, _ in Page(reply.text).elements}
        assert "script-src" not in reply.headers["Content-Security-Policy"]
    with pytest.raises(SettingsError, match=r"^HYPERAPI_PAGES must be interactive or plain"):
        Settings.read({"HYPERAPI_PAGES": "none"})


def test_the_files_of_the_script_may_be_kept_for_ever(make_app: MakeApp) -> None:
    client = make_app().test_client()
    page = Page(client.get("/api/v1/", headers={"Accept": "text/html"}).text)
    [uri] = [str(found["src"]) for tag, found in page.elements if tag == "script"]
    folder = uri.rpartition("/")[0]
    for name in FILES:
        reply = client.get(f"{folder}/{name}")
        assert (reply.data, reply.mimetype) == (FILES[name], "text/javascript")
        assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        imported = re.findall(rb'from "\./([a-z]+\.js)"', reply.data)
        assert {each.decode() for each in imported} <= FILES.keys()
    other = client.get(f"{folder[:-1]}/main.js")  # from a page of another release
    assert other.headers["Cache-Control"] == "public, max-age=86400"
    assert client.get(f"{folder}/missing.js").status_code == 404


def test_a_new_title_gives_a_page_another_tag(make_app: MakeApp) -> None:
    tags = set()
    for title in ("one", "two"):
        client = make_app(title=title).test_client()
        person = {"username": "alice", "password": "correct horse battery"}
        client.post("/api/v1/users", json=person)
        token = client.post("/api/v1/tokens", json=person).get_json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
        tags.add(client.get("/api/v1/lists", headers=headers).headers["ETag"].partition(".")[2])
    assert len(tags) == 2
