"""The example of an extension, ``examples/bookmarks``: installed from its folder, and served."""

import json
import os
import re
import shutil
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from hyper.agent.bridge import Bridge, Stale
from hyperapi_client import Client, Conflict, NotFound
from openapi_spec_validator import validate

from hyperapi.testing import run_report, url_run
from hyperapi.testing.deployment import Bounds
from hyperapi.testing.rules import RULES
from tests.browsing import chromium
from tests.conftest import PASSWORD, SECRET_KEY
from tests.javascript import FOLDER, node
from tests.packages import with_packages
from tests.serving import COMMAND, PATIENCE, Served, serve

EXAMPLE = Path(__file__).parents[2] / "examples" / "bookmarks"
PAGES = {"https://example.org/a": "Zebra", "https://example.org/b": "Apple"}
OTHER = "https://example.com/"
OWN_TESTS = 6

pytestmark = pytest.mark.only_on("sqlite")  # tests/ops/test_extensions.py tries both


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the example is installed. The build does not touch its source."""
    folder = tmp_path_factory.mktemp("bookmarks")
    shutil.copytree(EXAMPLE, folder / "source")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    target = ["--target", str(folder / "packages"), str(folder / "source")]
    subprocess.run([*command, *offline, *target], check=True, timeout=PATIENCE * 4)
    return folder


@pytest.fixture(scope="module")
def environment(installed: Path) -> dict[str, str]:
    """The environment of a service with the example alone."""
    return with_packages(
        installed / "packages",
        database_url=f"sqlite:///{installed}/hyperapi.db",
        secret_keys=SECRET_KEY,
        extensions="bookmarks",
        resources="",
        workers="1",
        title="Bookmarks",
    )


@pytest.fixture(scope="module")
def served(installed: Path, environment: dict[str, str]) -> Iterator[Served]:
    """The service, on an upgraded database."""
    run(installed, environment, "upgrade")
    with serve(installed, environment=environment) as server:
        yield server


def run(folder: Path, environment: dict[str, str], *words: str) -> str:
    """What a command of ``hyperapi`` prints."""
    ran = subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE * 2,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def signed_in(served: Served, name: str) -> Client:
    """A client of a new user."""
    client = Client(served.url)
    client.register(name, PASSWORD)
    client.login(name, PASSWORD)
    return client


def test_commands_know_bookmarks(installed: Path, environment: dict[str, str]) -> None:
    run(installed, environment, "upgrade")
    run(installed, environment, "purge")
    assert "/api/v1/bookmarks" in run(installed, environment, "routes")
    document = json.loads(run(installed, environment, "openapi"))
    validate(document)
    assert "/api/v1/bookmarks/{key}" in document["paths"]
    assert document["info"]["title"] == "Bookmarks"
    scopes = document["components"]["securitySchemes"]["oauth2"]["flows"]["password"]["scopes"]
    assert scopes.keys() == {"account", "bookmarks:read", "bookmarks:write"}


def test_rules_know_bookmarks_from_outside(served: Served) -> None:
    """Nothing of the example is installed where the rules run."""
    names = {
        "another_users_resource_is_a_missing_one": "passed",
        "each_member_that_is_sent_is_shown": "passed",
        "a_body_of_a_bound_token_cannot_name_elsewhere": "not checked",
    }
    run = url_run.run(
        served.url,
        [rule for rule in RULES if rule.name in names],
        Bounds(1000, 0),
        trusted=ssl.create_default_context(),
        given=(),
        say=lambda _: None,
        told=lambda _: None,
    )
    assert {each.rule.name: each.result for each in run.outcomes} == names, run_report.text(run)
    assert (run.stopped, run.left) == ("", [])


def test_people_keep_bookmarks_on_the_pages(served: Served) -> None:
    signed_in(served, "iris").close()
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(10_000)
        page.goto(served.url)
        page.locator("nav").get_by_role("link", name="Bookmarks").click()
        page.get_by_label("User name").fill("iris")
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign in").click()
        page.get_by_label("Address of the page").fill(OTHER)
        page.get_by_label("Title").fill("Zebra")
        page.locator("form button").last.click()
        page.locator("article").get_by_role("link", name="Zebra").click()
        page.locator("h1", has_text="Zebra").wait_for()


def own_tests(folder: Path, packages: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of the example, as its author does."""
    without = ["-p", "no:cacheprovider", "-p", "no:schemathesis"]
    command = [sys.executable, "-P", "-m", "pytest", "-q", *without, *words]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE * 20,
    )


def test_it_keeps_the_rules_of_the_api(installed: Path) -> None:
    ran = own_tests(installed / "source", installed / "packages")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(RULES) + 2 + OWN_TESTS} passed" in ran.stdout  # and start, migrations


def test_a_migration_that_lacks_an_index_is_told(installed: Path, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    shutil.copytree(installed / "packages", packages)
    [migration] = packages.rglob("bookmarks_0001*.py")
    index = re.compile(r" *batch_op.create_index\([^()]*\([^()]*_owner_revision\"\)[^()]*\)\n")
    text, number = index.subn("", migration.read_text())
    assert number == 1
    migration.write_text(text)
    ran = own_tests(installed / "source", packages, "-k", "migrations")
    assert ran.returncode == 1
    assert "differ from its migrations" in ran.stdout
    assert "ix_bookmarks_owner_revision" in ran.stdout


def test_the_client_keeps_finds_and_changes_bookmarks(served: Served) -> None:
    with signed_in(served, "ann") as ann, signed_in(served, "bob") as bob:
        bookmarks = ann.follow("bookmarks")
        for url, title in {**PAGES, OTHER: "Middle"}.items():
            bookmarks.submit("create", url=url, title=title, tags=["web"])
        found = bookmarks.search(tag="web", unread=True, sort="title").items()
        assert [each.title for each in found] == ["Apple", "Middle", "Zebra"]
        [apple] = bookmarks.search(q="apple").items()
        assert {each.url for each in apple.follow("same-site").items()} == PAGES.keys()
        assert apple.submit("edit", unread=False).unread is False
        assert [each.title for each in bookmarks.search(unread=False).items()] == ["Apple"]
        with pytest.raises(NotFound):
            bob.at(apple.uri)
        assert list(bob.follow("bookmarks").items()) == []


@pytest.fixture(scope="module")
def carol(served: Served) -> Iterator[httpx.Client]:
    """The requests of a signed-in user."""
    credentials = {"username": "carol", "password": PASSWORD}
    with httpx.Client(base_url=served.url, trust_env=False) as http:
        http.post("/api/v1/users", json=credentials)
        token = http.post("/api/v1/tokens", json=credentials).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://example.org/",
        "https://example.org",
        "https://ann:secret@example.org/",
        "https://x/" + "x" * 1000,
    ],
)
def test_only_addresses_of_the_web_are_kept(carol: httpx.Client, url: str) -> None:
    reply = carol.post("/api/v1/bookmarks", json={"url": url, "title": "x"})
    assert reply.status_code == 422
    assert {each["pointer"] for each in reply.json()["errors"]} == {"/url"}


def test_pages_and_the_feed_show_bookmarks(carol: httpx.Client) -> None:
    new = {"url": OTHER, "title": "Page"}
    made = carol.post("/api/v1/bookmarks", json=new)
    assert made.status_code == 201
    again = carol.post("/api/v1/bookmarks", json=new)
    assert (again.status_code, again.json()["title"]) == (409, "The address is kept already")
    uri = made.json()["uri"]
    page = carol.get(uri, headers={"Accept": "text/html"})
    assert "<title>Page · Bookmarks</title>" in page.text
    assert "Edit this bookmark" in page.text
    changes = carol.get("/api/v1/changes").json()["changes"]
    assert [each["uri"] for each in changes] == [uri]
    tag = {"If-None-Match": carol.get(uri).headers["ETag"]}
    assert carol.get(uri, headers=tag).status_code == 304
    meaning = carol.get("/api/v1/rels/same-site", headers={"Accept": "application/json"})
    assert meaning.json()["meaning"] == "Your bookmarks of the same site."


def test_an_address_with_a_secret_is_refused_everywhere(carol: httpx.Client) -> None:
    secret = {"url": "https://example.org/?Token=x#y", "title": "x"}
    kept = carol.post("/api/v1/bookmarks", json={"url": f"{OTHER}kept", "title": "Kept"})
    uri, tag = kept.headers["Location"], kept.headers["ETag"]
    several = {"bookmarks": [{"url": f"{OTHER}new", "title": "Before"}, secret]}
    for refused in (
        carol.post("/api/v1/bookmarks", json=secret),
        carol.post("/api/v1/bookmarks", json=several),
        carol.put(uri, json=secret),
        carol.patch(uri, json={"url": secret["url"]}),
        carol.patch("/api/v1/bookmarks?all=true", json={"url": secret["url"]}),
    ):
        assert (refused.status_code, refused.json()["parameter"]) == (422, "Token")
        assert refused.json()["type"].endswith("/problems/secret-in-address")
    assert carol.get(uri).headers["ETag"] == tag
    assert not carol.get("/api/v1/bookmarks?q=before").json()["bookmarks"]
    meaning = carol.get(refused.json()["type"], headers={"Accept": "application/json"})
    assert "holds a password or a token" in meaning.json()["meaning"]


# -- the command


BROWSER_FILE = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">
<TITLE>Bookmarks</TITLE><H1>Bookmarks Menu</H1>
<DL><p>
    <DT><H3 ADD_DATE="1">Caf\u00e9s &amp; bars</H3>
    <DL><p>
        <DT><A HREF="https://cafe.example/?a=1&amp;b=2" TAGS="coffee,">Caf\u00e9 &lt;1&gt;</A>
        <DD>Open late
        <DT><A HREF="javascript:alert(1)">A bookmarklet</A>
    </DL><p>
    <DT><A HREF="https://plain.example/"></A>
    <DT><A HREF="https://plain.example/">Twice in the file</A>
    <DT><A HREF="https://secret.example/?password=x">Secret</A>
    <DT><A HREF="https://long.example/" TOREAD="0">LONG</A>
</DL><p>
""".replace("LONG", "x" * 300)


def test_bookmarks_of_a_browser_are_imported_once_and_exported(
    served: Served, installed: Path, environment: dict[str, str]
) -> None:
    (installed / "browser.html").write_text(BROWSER_FILE, encoding="utf-8")
    with signed_in(served, "dora") as dora, signed_in(served, "emil") as emil:
        feed = dora.follow("changes")
        said = run(installed, environment, "bookmarks", "import", "Dora", "browser.html")
        assert said == "3 imported, 0 there already, 2 left out.\n"
        kept = {each.url: each for each in dora.follow("bookmarks").items()}
        cafe = kept["https://cafe.example/?a=1&b=2"]
        assert (cafe.title, cafe.notes) == ("Caf\u00e9 <1>", "Open late")
        assert (cafe.tags, cafe.unread) == (["Caf\u00e9s & bars", "coffee"], True)
        assert kept["https://plain.example/"].title == "Twice in the file"
        assert (len(kept["https://long.example/"].title), len(kept)) == (200, 3)
        assert kept["https://long.example/"].unread is False
        told = feed.follow("next").changes
        assert {each.uri for each in kept.values()} == {each["uri"] for each in told}
        assert cafe.submit("edit", notes="Closed").notes == "Closed"  # its revision is a good one
        again = run(installed, environment, "bookmarks", "import", "dora", "browser.html")
        assert again == "0 imported, 3 there already, 2 left out.\n"
        exported = run(installed, environment, "bookmarks", "export", "dora")
        (installed / "exported.html").write_text(exported, encoding="utf-8")
        run(installed, environment, "bookmarks", "import", "emil", "exported.html")
        copies = {each.url: each for each in emil.follow("bookmarks").items()}
        for url, each in kept.items():
            members = ("title", "tags", "unread")
            assert [copies[url][name] for name in members] == [each[name] for name in members]
        assert copies[cafe.url].notes == "Closed"
        with signed_in(served, "gina") as gina:
            names = ("url", "title", "notes", "tags", "unread")
            new = [{name: each[name] for name in names} for each in copies.values()]
            gina.follow("bookmarks").create_many(new, name="bookmarks")
    [of_command, of_request] = counters(installed, "emil", "gina")
    assert of_command == of_request


def counters(folder: Path, *names: str) -> list[tuple[int, int]]:
    """Revision and bytes of text of users."""
    with closing(sqlite3.connect(folder / "hyperapi.db")) as database:
        asked = "SELECT revision, text_size FROM users WHERE username = ?"
        return [database.execute(asked, [name]).fetchone() for name in names]


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        (("import", "nobody", "browser.html"), {}, "Error: There is no user nobody."),
        (("export", "nobody"), {}, "Error: There is no user nobody."),
        (("import", "fred", "browser.html"), {"HYPERAPI_MAX_TEXT": "99"}, "at most 99 bytes"),
    ],
)
def test_a_refused_import_stores_nothing_and_says_why(
    served: Served,
    installed: Path,
    environment: dict[str, str],
    words: tuple[str, ...],
    settings: dict[str, str],
    said: str,
) -> None:
    (installed / "browser.html").write_text(BROWSER_FILE, encoding="utf-8")
    with Client(served.url) as client:
        if settings:
            client.register("fred", PASSWORD)
    with pytest.raises(AssertionError, match=re.escape(said)):
        run(installed, {**environment, **settings}, "bookmarks", *words)
    if settings:
        assert "https://" not in run(installed, environment, "bookmarks", "export", "fred")


# -- clients and commands that know no resource by name


def test_the_javascript_client_walks_from_the_root(served: Served) -> None:
    command = node("ketting", "bookmarks were not tried with the JavaScript client")
    script = [command, str(FOLDER / "bookmarks.js"), f"{served.url}/api/v1/", "hans", PASSWORD]
    ran = subprocess.run(script, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_python_client_edits_what_was_seen_and_reads_the_feed(served: Served) -> None:
    with signed_in(served, "ines") as ines:
        bookmarks = ines.follow("bookmarks")
        for title in "abc":
            bookmarks.submit("create", url=f"{OTHER}{title}", title=title)
        assert [each.title for each in bookmarks.search(limit=2).items()] == ["a", "b", "c"]
        seen = bookmarks.reload().first
        assert seen is not None
        ines.at(seen.uri).submit("mark-read")
        with pytest.raises(Conflict):
            seen.submit("edit", title="late")
        assert bookmarks.submit("mark-all-read")["count"] == 2
        assert bookmarks.submit("delete-read")["count"] == 3
        assert [each["deleted"] for each in ines.follow("changes").changes] == []


def test_the_tools_for_models_need_nothing_more(served: Served) -> None:
    with signed_in(served, "ina") as client:
        bridge = Bridge(client.actions)
        assert client.run(bridge.open(""))["links"]["bookmarks"] == "bookmarks"
        assert "url" in client.run(bridge.open("bookmarks"))["forms"]["create"]["fields"]
        fields = {"url": OTHER, "title": "Page", "tags": ["web"]}
        made = client.run(bridge.submit("bookmarks", "create", fields, ""))
        (found,) = client.run(bridge.search("bookmarks", {"tag": "web"}))["items"]
        assert found["uri"] == made["uri"]
        with pytest.raises(Stale):
            client.run(bridge.submit(found["uri"], "edit", {"title": "x"}, ""))
        seen = found["updated_at"]
        deleted = client.run(bridge.submit(found["uri"], "delete", {}, seen))
        assert client.run(bridge.search("bookmarks", {}))["items"] == []
        client.run(bridge.undo(deleted["undo"]))
        assert client.run(bridge.open(found["uri"]))["title"] == "Page"


def test_the_command_for_people_follows_links_and_sends_forms(
    served: Served, tmp_path: Path
) -> None:
    with signed_in(served, "jana") as jana:
        tokens = jana.tokens
        assert tokens is not None
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        environment |= {"HYPERAPI_URL": served.url, "HYPERAPI_TOKEN": tokens.access}

        def api(*words: str) -> str:
            command = [sys.executable, "-P", "-m", "hyper", "api", "bookmarks", *words]
            return subprocess.run(
                command, env=environment, capture_output=True, text=True, check=True, timeout=60
            ).stdout

        made = api("--submit", "create", "-f", f"url={OTHER}", "-f", "title=Page")
        assert "Page" in made
        assert "Page" in api("--all")
        assert jana.follow("bookmarks").first is not None


def test_a_page_shows_the_forms_of_bookmarks(carol: httpx.Client) -> None:
    page = carol.get("/api/v1/bookmarks", headers={"Accept": "text/html"})
    for title in ("Create a bookmark", "Search bookmarks", "Mark all as read", "Delete those read"):
        assert title in page.text
    new = {"url": f"{OTHER}page", "title": "Page"}
    item = carol.post("/api/v1/bookmarks", json=new).json()["uri"]
    assert "Mark as read" in carol.get(item, headers={"Accept": "text/html"}).text


def test_bookmarks_are_in_backups_and_go_with_their_owner(
    served: Served, installed: Path, environment: dict[str, str]
) -> None:
    with signed_in(served, "kurt") as kurt:
        kurt.follow("bookmarks").submit("create", url=f"{OTHER}kurt", title="Kurt")
        run(installed, environment, "backup", "with-kurt.db")
        kurt.root().follow("user").submit("delete")
    asked = "SELECT count(*) FROM bookmarks WHERE title = 'Kurt'"
    for file, number in (("with-kurt.db", 1), ("hyperapi.db", 0)):
        with closing(sqlite3.connect(installed / file)) as database:
            assert database.execute(asked).fetchone() == (number,)
    assert "is loaded: its tables are at bookmarks_0001" in doctored(installed, environment)


def doctored(folder: Path, environment: dict[str, str]) -> str:
    """What the doctor finds; it fails for the cheap hashing of tests."""
    command = [*COMMAND, "doctor"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stdout


_SANDBOXED = """
from hyperapi.sandbox.pytest_plugin import sandbox

def test_it(monkeypatch):
    monkeypatch.setenv("HYPERAPI_RESOURCES", "")
    with sandbox("--seed", "seed.json", extensions=["bookmarks"]) as server:
        ann = server.user("ann")
        bookmarks = ann.follow("bookmarks")
        bookmarks.submit("create", url="https://example.org/a", title="Kept")
        snapshot = server.snapshot()
        bookmarks.submit("create", url="https://example.org/b", title="Gone")
        bookmarks.reload().first.submit("delete")
        server.restore(snapshot)
        assert [each.title for each in ann.follow("bookmarks").items()] == ["Kept"]
        assert [each["type"] for each in ann.follow("changes").changes] == ["bookmark"]
"""


def test_snapshots_of_a_sandbox_bring_bookmarks_back(installed: Path, tmp_path: Path) -> None:
    seeded = {"url": OTHER, "title": "Seeded", "tags": []}
    seed = {"users": [{"username": "eve", "password": PASSWORD, "bookmarks": [seeded]}]}
    (tmp_path / "seed.json").write_text(json.dumps(seed))
    (tmp_path / "test_it.py").write_text(_SANDBOXED)
    ran = own_tests(tmp_path, installed / "packages")
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
