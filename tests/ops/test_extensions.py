"""Extensions of installed packages: migrations, commands and tables, as operators run them."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from hyperapi.storage.schema import EXPECTED, Schema
from tests import packages
from tests.conftest import PASSWORD, SECRET_KEY
from tests.databases import Store, as_setting
from tests.packages import BROKEN, FIRST, PAGES, SECOND, books, with_packages
from tests.serving import COMMAND, PATIENCE, Served, serve

pytestmark = pytest.mark.filterwarnings("default::ResourceWarning")
CORE = f"hyperapi: migrated from nothing to {EXPECTED}"
DONE = "The database is up to date.\n"
Ran = subprocess.CompletedProcess[str]


class Deployment:
    """A folder of packages, and a database that commands use."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.packages = folder / "packages"

    def environment(self, extensions: str = "books", **settings: str) -> dict[str, str]:
        """The environment of a process of this deployment."""
        chosen = {"database_url": self.url, "secret_keys": SECRET_KEY, "extensions": extensions}
        return with_packages(self.packages, **{**chosen, **settings})

    def run(self, *words: str, extensions: str = "books", **settings: str) -> Ran:
        """Run the command ``hyperapi``."""
        return subprocess.run(
            [*COMMAND, *words],
            cwd=self.folder,
            env=self.environment(extensions, **settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE * 2,
        )

    def complaint(self, *words: str, **settings: str) -> str:
        """The last line of a command that must fail without a traceback."""
        ran = self.run(*words, **settings)
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stderr.splitlines()[-1]

    @contextmanager
    def serve(self, extensions: str = "books", **settings: str) -> Iterator[Served]:
        """Serve it."""
        environment = self.environment(extensions, workers="1", **settings)
        with serve(self.folder, environment=environment) as served:
            yield served

    def rows(self, statement: str) -> list[Any]:
        """The rows of a query on the database."""
        engine = create_engine(as_setting(self.url), poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    @property
    def tables(self) -> set[str]:
        """The names of its tables."""
        engine = create_engine(as_setting(self.url), poolclass=NullPool)
        return set(inspect(engine).get_table_names())

    def columns(self, table: str) -> set[str]:
        """The names of a table's columns."""
        engine = create_engine(as_setting(self.url), poolclass=NullPool)
        return {each["name"] for each in inspect(engine).get_columns(table)}


@pytest.fixture
def deployment(empty_database: Store, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment with an empty database."""
    with empty_database.bare(tmp_path) as url:
        yield Deployment(tmp_path, url)


@pytest.fixture
def embedded(tmp_path: Path) -> Deployment:
    """A deployment with an empty embedded database."""
    return Deployment(tmp_path, f"sqlite:///{tmp_path}/hyperapi.db")


class Reader:
    """A signed-in user of a served deployment."""

    def __init__(self, served: Served, name: str) -> None:
        self.http = httpx.Client(base_url=served.url, trust_env=False)
        credentials = {"username": name, "password": PASSWORD}
        self.http.post("/api/v1/users", json=credentials)
        token = self.http.post("/api/v1/tokens", json=credentials).json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def ask(self, method: str, path: str, status: int = 200, **request: Any) -> Any:
        """The document of a reply with this status."""
        reply = self.http.request(method, path, **request)
        assert reply.status_code == status, reply.text
        return reply.json() if reply.content else None


# -- names of migrations


@pytest.mark.parametrize(
    ("present", "problem"),
    [
        (None, "the database has no tables of the extension books: run `hyperapi upgrade`"),
        ("books_0004", "at books_0004, and this code needs books_0005: run `hyperapi upgrade`"),
        ("books_0005", ""),
        ("books_0006", ""),
        ("books_0006_since_0005", ""),
        ("books_0007_since_0006", "only code for books_0006 or later can work on it"),
        ("0006", "which is not a migration of books"),
        ("notes_0005", "which is not a migration of books"),
    ],
)
def test_the_tables_of_an_extension_are_judged_by_the_rules_of_our_own(
    present: str | None, problem: str
) -> None:
    found = Schema("books", "books_0005").problem(present)
    assert found is None if not problem else problem in (found or "")


# -- upgrade


def test_an_empty_database_gets_our_tables_and_then_those_of_the_extension(
    deployment: Deployment,
) -> None:
    books(deployment.packages, FIRST, SECOND, columns=PAGES)
    first = deployment.run("upgrade")
    told = [CORE, "books: migrated from nothing to books_0002"]
    assert (first.returncode, first.stdout) == (0, DONE)
    assert [each for each in first.stderr.splitlines() if "distributed" not in each] == told
    again = deployment.run("upgrade")
    assert (again.returncode, again.stdout, again.stderr) == (0, DONE, "")
    assert deployment.rows("SELECT * FROM alembic_version_books") == [("books_0002",)]
    assert deployment.rows("SELECT * FROM alembic_version") == [(EXPECTED,)]


def test_nodes_that_start_together_migrate_once(deployment: Deployment) -> None:
    books(deployment.packages, FIRST, SECOND, columns=PAGES)
    nodes = [
        subprocess.Popen(
            [*COMMAND, "upgrade"],
            cwd=deployment.folder,
            env=deployment.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ends = [(*node.communicate(timeout=PATIENCE), node.returncode) for node in nodes]
    assert [(out, status) for out, _, status in ends] == [(DONE, 0)] * 2
    told = sorted(line for _, err, _ in ends for line in err.splitlines())
    assert told == ["books: migrated from nothing to books_0002", CORE]


def test_a_filled_database_is_brought_to_the_next_version_of_the_extension(
    deployment: Deployment,
) -> None:
    books(deployment.packages, FIRST)
    deployment.run("upgrade")
    with deployment.serve() as served, Reader(served, "ann") as ann:
        made = ann.ask("POST", "/api/v1/books", 201, json={"title": "Emma"})
        books(deployment.packages, FIRST, SECOND, columns=PAGES, version="2.0")
        assert deployment.run("upgrade").stderr == "books: migrated from books_0001 to books_0002\n"
        assert ann.ask("GET", made["uri"])["title"] == "Emma"  # the old server works on it
    with deployment.serve() as served, Reader(served, "ann") as ann:
        assert [each["title"] for each in ann.ask("GET", "/api/v1/books")["books"]] == ["Emma"]
        assert ann.ask("GET", "/health/ready")["migrations"] == "as expected"


def test_a_broken_migration_changes_nothing_and_names_the_extension(deployment: Deployment) -> None:
    books(deployment.packages, FIRST)
    deployment.run("upgrade")
    before = deployment.tables, deployment.columns("books")
    books(deployment.packages, FIRST, BROKEN)
    complaint = deployment.complaint("upgrade")
    assert complaint.startswith("hyperapi: a migration of the extension books failed at ")
    assert "books_0002_step.py:" in complaint
    assert "bocks" in complaint
    assert (deployment.tables, deployment.columns("books")) == before
    assert deployment.rows("SELECT * FROM alembic_version_books") == [("books_0001",)]
    books(deployment.packages, FIRST, SECOND, columns=PAGES)
    assert deployment.run("upgrade").returncode == 0


@pytest.mark.parametrize(
    ("migrations", "said"),
    [
        ((FIRST, SECOND.replace('"books_0002"', '"1a2b3c"')), "has a migration 1a2b3c in books_0"),
        ((FIRST, SECOND.replace('"books_0001"', '"books_0009"')), "cannot be read"),
        ((FIRST, SECOND.replace('"books_0001"', "None")), "cannot be read"),
        ((FIRST, "def upgrade(:"), "cannot be read"),
        ((), "has no migrations in"),
    ],
)
def test_migrations_that_do_not_follow_the_rules_are_explained(
    embedded: Deployment, migrations: tuple[str, ...], said: str
) -> None:
    books(embedded.packages, *migrations)
    complaint = embedded.complaint("upgrade")
    assert "the extension books" in complaint
    assert said in complaint


def test_an_extension_that_leaves_rows_without_their_owner_is_named(embedded: Deployment) -> None:
    stray = """
    op.execute("INSERT INTO books VALUES ('nobody', 'k', 't', 1, 'x', 'x')")
"""
    books(embedded.packages, FIRST + stray)
    complaint = embedded.complaint("upgrade")
    assert "a migration of the extension books failed" in complaint
    assert "dangling references" in complaint
    assert "books" not in embedded.tables


# -- added and removed


def test_an_extension_is_added_to_a_running_service_and_removed_again(
    deployment: Deployment,
) -> None:
    deployment.run("upgrade", extensions="")
    books(deployment.packages, FIRST)
    assert "run hyperapi upgrade first" in deployment.complaint("users", "list")
    with deployment.serve("") as old, Reader(old, "ann") as before:
        deployment.run("upgrade")
        before.ask("GET", "/api/v1/books", 404)
        assert before.ask("GET", "/health/ready")["migrations"] == "as expected"
        with deployment.serve() as new, Reader(new, "ann") as ann:
            gone = ann.ask("POST", "/api/v1/books", 201, json={"title": "Gone"})
            ann.ask("POST", "/api/v1/books", 201, json={"title": "Emma"})
            ann.ask("DELETE", gone["uri"], 204)
            token = ann.http.headers["Authorization"]
        changes = before.http.get("/api/v1/changes", headers={"Authorization": token})
        assert (changes.status_code, changes.json()["changes"]) == (200, [])
        sessions = before.http.get("/api/v1/tokens", headers={"Authorization": token})
        assert sessions.status_code == 200, sessions.text
        assert any("books:read" in each["scope"] for each in sessions.json()["tokens"])
        user = before.ask("GET", "/api/v1/")["user_uri"]
        before.ask("DELETE", user, 204)
    assert deployment.rows("SELECT * FROM books") == []
    findings = deployment.run("doctor", extensions="").stdout
    assert "warn  the database has tables of the extension books, which is not load" in findings


def test_the_tables_of_a_removed_extension_are_dropped(deployment: Deployment) -> None:
    deployment.run("upgrade", extensions="")
    before = deployment.tables
    assert "no tables of the extension" in _not_dropped(deployment, "books", FIRST)
    deployment.run("upgrade")
    with deployment.serve() as served, Reader(served, "ann") as ann:
        gone = ann.ask("POST", "/api/v1/books", 201, json={"title": "Gone"})
        ann.ask("POST", "/api/v1/books", 201, json={"title": "Emma"})
        ann.ask("POST", "/api/v1/lists", 201, json={"title": "Kept"})
        ann.ask("DELETE", gone["uri"], 204)
    assert "is loaded: take it out" in deployment.complaint("extensions", "drop", "books")
    asked = deployment.run("extensions", "drop", "books", extensions="")
    assert "This drops books (1 rows)." in asked.stdout
    assert asked.returncode == 1
    assert len(deployment.rows("SELECT * FROM books")) == 1
    dropped = deployment.run("extensions", "drop", "books", "--yes", extensions="")
    told = "The tables of the extension books are dropped. You can uninstall its package.\n"
    assert (dropped.returncode, dropped.stdout, dropped.stderr) == (0, told, "")
    assert deployment.tables == before
    assert deployment.rows("SELECT * FROM tombstones") == []
    assert deployment.rows("SELECT * FROM before_images WHERE kind = 'book'") == []
    assert deployment.rows("SELECT text_size FROM users") == [(len("Kept"),)]
    assert "books" not in deployment.run("doctor", extensions="").stdout
    assert deployment.run("upgrade").returncode == 0
    assert deployment.rows("SELECT * FROM books") == []


def _not_dropped(deployment: Deployment, name: str, *migrations: str) -> str:
    """Why the tables of an extension that is not loaded are not dropped."""
    books(deployment.packages, *migrations)
    return deployment.complaint("extensions", "drop", name, "--yes", extensions="")


def test_tables_that_are_not_those_of_the_package_are_not_dropped(deployment: Deployment) -> None:
    books(deployment.packages, FIRST)
    deployment.run("upgrade")
    assert "pens is not installed" in _not_dropped(deployment, "pens", FIRST)
    assert "are at books_0001, and" in _not_dropped(deployment, "books", FIRST, SECOND)
    _put(
        deployment,
        "CREATE TABLE notes (owner uuid, book uuid, "
        "FOREIGN KEY (owner, book) REFERENCES books (owner, key))",
    )
    assert "the table notes refers to books" in _not_dropped(deployment, "books", FIRST)
    assert "books" in deployment.tables


def test_the_index_of_texts_is_dropped_with_its_table(deployment: Deployment) -> None:
    before = deployment.tables
    module = packages.MODULE.replace(
        "list_binding = VISIBLE", 'list_binding = VISIBLE\n    searched = ("title_folded",)'
    )
    module = module.replace(
        "    {columns}", "    title_folded: Mapped[str] = mapped_column(Folded)"
    )
    column = '        sa.Column("title_folded", Folded(), nullable=False),\n'
    first = FIRST.replace('        sa.Column("revision"', f'{column}        sa.Column("revision"')
    first = first.replace("import InstantColumn", "import Folded, InstantColumn, create_text_index")
    first += '    create_text_index(op.get_bind(), "books", ["title_folded"])\n'
    books(deployment.packages, first, module=module)
    assert deployment.run("upgrade").returncode == 0
    with deployment.serve() as served, Reader(served, "ann") as ann:
        ann.ask("POST", "/api/v1/books", 201, json={"title": "Emma"})
    assert any(each.startswith("books_text") for each in deployment.tables)
    dropped = deployment.run("extensions", "drop", "books", "--yes", extensions="")
    assert dropped.returncode == 0, dropped.stderr
    assert not any(each.startswith("books") for each in deployment.tables - before)
    with deployment.serve(extensions="") as served, Reader(served, "bob") as bob:
        bob.ask("POST", "/api/v1/lists", 201, json={"title": "List"})


def test_a_server_waits_for_the_tables_of_an_extension(embedded: Deployment) -> None:
    books(embedded.packages, FIRST)
    with embedded.serve() as served, Reader(served, "ann") as ann:
        for version, status in (("books_0000", 503), ("books_0001", 200)):
            _put(embedded, f"UPDATE alembic_version_books SET version_num = '{version}'")
            _until_ready(ann, status)
        _put(embedded, "UPDATE alembic_version_books SET version_num = 'books_0002'")
        assert ann.ask("GET", "/health/ready")["migrations"] == "newer"
        _put(embedded, "UPDATE alembic_version_books SET version_num = 'books_0002_since_0002'")
        ann.ask("GET", "/health/ready", 503)
        assert any("the tables of the extension books are at" in line for line in served.said)


def _put(deployment: Deployment, statement: str) -> None:
    engine = create_engine(as_setting(deployment.url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(statement))


def _until_ready(reader: Reader, status: int) -> None:
    """Ask whether the server is ready until the reply has this status."""
    deadline = time.monotonic() + PATIENCE
    while reader.http.get("/health/ready").status_code != status:
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- what is wrong with an extension


@pytest.mark.parametrize(
    ("extensions", "said"),
    [
        ("bokks", "HYPERAPI_EXTENSIONS names bokks, which is not installed."),
        ("books,books", "HYPERAPI_EXTENSIONS names an extension twice"),
    ],
)
def test_a_name_that_cannot_be_loaded_is_said_by_every_command(
    embedded: Deployment, extensions: str, said: str
) -> None:
    books(embedded.packages, FIRST)
    for words in (("upgrade",), ("serve",), ("--help",)):
        assert said in embedded.complaint(*words, extensions=extensions)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "BOOKS"}, "is not an Extension of this name"),
        ({"target": "NOTHING"}, "cannot be imported from hyperapi_books:NOTHING: AttributeError"),
        ({"module": "import nothing_of_this_name"}, "ModuleNotFoundError: No module named"),
        (
            {"module": packages.MODULE.replace("    migrations=", "    #")},
            "no folder of migrations",
        ),
        ({"command": "backup"}, "the extension books has a command backup, and so has hyperapi"),
        ({"command": "sandbox"}, "has a command sandbox, and so has hyperapi itself"),
    ],
)
def test_what_is_wrong_with_an_extension_is_said_in_one_line(
    embedded: Deployment, options: dict[str, str], said: str
) -> None:
    books(embedded.packages, FIRST, **options)
    assert said in embedded.complaint("upgrade")


def test_two_packages_with_an_extension_of_one_name_are_refused(embedded: Deployment) -> None:
    books(embedded.packages, FIRST)
    other = embedded.packages / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[hyperapi.extensions]\nbooks = other:EXTENSION\n")
    assert "two installed packages have an extension books" in embedded.complaint("upgrade")


# -- commands


def test_a_command_of_an_extension_works_on_the_migrated_database(embedded: Deployment) -> None:
    books(embedded.packages, FIRST)
    missing = embedded.complaint("count-books")
    assert missing == "Error: There is no database yet: run hyperapi upgrade first"
    embedded.run("upgrade")
    assert embedded.run("count-books", "--loud").stdout == "0 books!\n"
    assert "count-books  Count the books of all users." in embedded.run("--help").stdout
    assert "No such command" in embedded.run("count-books", extensions="").stderr


def test_installed_extensions_are_listed(embedded: Deployment) -> None:
    books(embedded.packages, FIRST)
    line = (
        "books            hyperapi-books 1.0               loaded      books_0001           books"
    )
    assert embedded.run("extensions").stdout == line + "\n"
    assert " not loaded  books_0001 " in embedded.run("extensions", extensions="").stdout


def test_the_extensions_of_the_env_file_count(embedded: Deployment) -> None:
    books(embedded.packages, FIRST)
    (embedded.folder / ".env").write_text("HYPERAPI_EXTENSIONS=books\n")
    environment = embedded.environment()
    del environment["HYPERAPI_EXTENSIONS"]
    command = [*COMMAND, "--help"]
    ran = subprocess.run(
        command, cwd=embedded.folder, env=environment, capture_output=True, text=True, check=True
    )
    assert "count-books" in ran.stdout


def test_the_doctor_reports_each_extension(embedded: Deployment) -> None:
    books(embedded.packages, FIRST)
    embedded.run("upgrade")
    good = "ok    the extension books of hyperapi-books 1.0 is loaded: its tables are at books_0001"
    assert good in embedded.run("doctor").stdout
    books(embedded.packages, FIRST, SECOND, columns=PAGES)
    assert (
        "FAIL  the tables of the extension books are at books_0001" in embedded.run("doctor").stdout
    )


def test_a_relation_of_the_service_keeps_its_meaning(embedded: Deployment) -> None:
    other = packages.MODULE.replace('("books", "Your', '("history", "Your')
    packages.books(embedded.packages, FIRST, module=other)
    for words in ("upgrade", "--help", "doctor"):
        assert "The relation history has a meaning already" in embedded.complaint(words)


def test_a_model_that_changed_without_a_migration_is_told(deployment: Deployment) -> None:
    books(deployment.packages, FIRST)
    assert "lacks" not in deployment.run("upgrade").stderr
    books(deployment.packages, FIRST, columns=PAGES)
    said = (
        "the extension books: the database lacks the column books.pages. Write a migration with "
        "`hyperapi new migration books MESSAGE`, and run `hyperapi upgrade`\n"
    )
    assert f"hyperapi: {said}" in deployment.run("upgrade").stderr
    assert f"FAIL  {said}" in deployment.run("doctor").stdout


# -- new migrations


def test_migrations_are_written_from_the_models(deployment: Deployment) -> None:
    books(deployment.packages)
    first = deployment.run("new", "migration", "books", "Books at first", extensions="")
    folder = deployment.packages / "hyperapi_books" / "migrations"
    assert first.stdout == f"{folder}/books_0001_books_at_first.py\n", first.stderr
    assert deployment.run("upgrade").returncode == 0
    nothing = deployment.complaint("new", "migration", "books", "Nothing")
    assert "already make the tables of its models" in nothing
    module = deployment.packages / "hyperapi_books" / "__init__.py"
    module.write_text(packages.MODULE.format(columns=PAGES, name="books", command="c"))
    second = deployment.run("new", "migration", "books", "Pages", "--since", "0001")
    check = [sys.executable, "-P", "-m", "ruff", "format", "--isolated", "--check", str(folder)]
    assert subprocess.run(check, check=False).returncode == 0
    assert second.stdout == f"{folder}/books_0002_since_0001_pages.py\n", second.stderr
    third = deployment.run("new", "migration", "books", "By hand", "--empty")
    assert third.stdout == f"{folder}/books_0003_since_0001_by_hand.py\n", third.stderr
    module.write_text(packages.MODULE.format(columns="", name="books", command="c"))
    assert deployment.run("new", "migration", "books", "Without pages").returncode == 0
    assert deployment.run("upgrade").returncode == 0
    assert "pages" not in deployment.columns("books")
    assert {"books", "users", "tasks"} <= deployment.tables
    if deployment.url.startswith("sqlite"):
        [(definition,)] = deployment.rows("SELECT sql FROM sqlite_master WHERE name = 'books'")
        assert "WITHOUT ROWID" in definition


def test_rows_that_exist_get_a_value_in_a_new_column(deployment: Deployment) -> None:
    books(deployment.packages, FIRST)
    deployment.run("upgrade")
    with deployment.serve() as served, Reader(served, "ann") as ann:
        ann.ask("POST", "/api/v1/books", 201, json={"title": "Emma"})
    module = deployment.packages / "hyperapi_books" / "__init__.py"
    column = "lent: Mapped[bool] = mapped_column({})"
    module.write_text(packages.MODULE.format(columns=column.format(""), name="books", command="c"))
    complaint = deployment.complaint("new", "migration", "books", "Lent")
    assert complaint.startswith("Error: Rows that exist need a value in the new column books.lent.")
    default = "server_default=__import__('sqlalchemy').false()"
    module.write_text(
        packages.MODULE.format(columns=column.format(default), name="books", command="c")
    )
    written = deployment.run("new", "migration", "books", "Lent").stdout.strip()
    assert "server_default=sa.false()" in Path(written).read_text()
    assert deployment.run("upgrade").returncode == 0
    [(lent,)] = deployment.rows("SELECT lent FROM books")
    assert not lent


# -- backups


def test_a_backup_from_before_the_extension_is_restored_and_migrated(embedded: Deployment) -> None:
    embedded.run("upgrade", extensions="")
    embedded.run("backup", "before.db", extensions="")
    books(embedded.packages, FIRST)
    embedded.run("upgrade")
    with embedded.serve() as served, Reader(served, "ann") as ann:
        ann.ask("POST", "/api/v1/books", 201, json={"title": "Emma"})
    assert embedded.run("backup", "with.db").returncode == 0
    restored = embedded.run("restore", "--yes", "before.db")
    assert "books: migrated from nothing to books_0001" in restored.stderr
    assert embedded.rows("SELECT * FROM books") == []
    assert embedded.run("restore", "--yes", "with.db").returncode == 0
    assert embedded.rows("SELECT title FROM books") == [("Emma",)]
    _put(embedded, "UPDATE alembic_version_books SET version_num = 'books_0003_since_0002'")
    shutil.copy(embedded.folder / "hyperapi.db", embedded.folder / "later.db")
    assert "only code for books_0002 or later" in embedded.complaint("restore", "--yes", "later.db")


# -- sandbox


def test_a_sandbox_serves_and_seeds_an_extension_and_pytest_takes_its_name(tmp_path: Path) -> None:
    books(tmp_path / "packages", FIRST)
    seed = {
        "users": [
            {"username": "ann", "password": PASSWORD, "books": [{"title": "Emma"}], "lists": []},
            {"username": "bob", "password": PASSWORD, "books": []},
        ]
    }
    (tmp_path / "seed.json").write_text(json.dumps(seed))
    (tmp_path / "pytest.ini").write_text("[pytest]\nhyperapi_extensions = books\n")
    (tmp_path / "test_books.py").write_text(_TESTS)
    done = subprocess.run(
        [packages.PYTHON, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error",
         "-p", "no:asyncio", "-p", "no:schemathesis"],
        cwd=tmp_path,
        env=with_packages(tmp_path / "packages"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )  # fmt: skip
    assert "4 passed" in done.stdout, done.stdout + done.stderr


_TESTS = """
from hyperapi.sandbox.pytest_plugin import sandbox

def titles(client):
    return [each.title for each in client.follow("books")]

def test_books(make_user):
    ann = make_user("ann")
    ann.follow("books").submit("create", title="Emma")
    assert titles(ann) == ["Emma"]

def test_none_are_left(make_user):
    assert titles(make_user("ann")) == []

def test_alone(monkeypatch):
    monkeypatch.setenv("HYPERAPI_RESOURCES", "")
    with sandbox(extensions=["books"]) as server:
        ann = server.user("ann")
        assert titles(ann) == []
        assert "lists" not in ann.root().links

def test_seed():
    with sandbox("--seed", "seed.json", extensions=["books"]) as server:
        credentials = {"username": "ann", "password": "correct horse battery"}
        tokens = server.http.post(f"{server.root}tokens", json=credentials)
        token = tokens.json()["access_token"]
        assert titles(server.client(token)) == ["Emma"]
"""
