"""The command: what operators do without the API, each thing said in a line."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command
from flask import Flask

from hyperapi import Settings, create_app
from hyperapi.common.secret_keys import weakness
from hyperapi.ops import cli, installation
from hyperapi.storage import migrations
from hyperapi.storage.database import database
from hyperapi.storage.schema import EXPECTED
from tests.conftest import CHEAP_HASHING, NEW_KEY, NO_LIMITS, OLD_KEY, PASSWORD, Person
from tests.serving import free_port


@dataclass
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that says why it did not work."""
        assert (self.status, self.out) == (1, "")
        (line,) = (line for line in self.err.splitlines() if ": migrated from " not in line)
        return line


Run = Callable[..., Ran]


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Flask]]:
    """The applications that commands made; their connections are closed afterwards."""
    made: list[Flask] = []

    def create(settings: Settings) -> Flask:
        made.append(create_app(settings))
        return made[-1]

    monkeypatch.setattr(installation, "create_app", create)
    log = logging.getLogger("hyperapi")
    level = log.level
    yield made
    log.setLevel(level)
    for app in made:
        with app.app_context():
            database.engine.dispose()


@pytest.fixture
def hyperapi(
    apps: list[Flask],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run the command in an empty folder, with some settings in the environment."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **settings: str) -> Ran:
        with monkeypatch.context() as read_environment:
            for name, value in {**CHEAP_HASHING, **NO_LIMITS}.items():
                read_environment.setenv(name, value)
            for name, value in settings.items():
                read_environment.setenv(f"HYPERAPI_{name.upper()}", value)
            read_environment.setattr(sys, "argv", ["hyperapi", *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        said = capsys.readouterr()
        status = ended.value.code
        if isinstance(status, str):  # the interpreter would say it, and exit with 1
            return Ran(1, said.out, f"{said.err}{status}\n")
        return Ran(status or 0, said.out, said.err)

    return run


@pytest.fixture
def upgraded(hyperapi: Run) -> Run:
    """The command, where the database is there already."""
    assert hyperapi("upgrade").status == 0
    return hyperapi


def stranger(apps: list[Flask], folder: Path) -> Person:
    """Somebody at an application on the same database as the commands'."""
    settings = {"HYPERAPI_INSTANCE": str(folder / "instance"), **CHEAP_HASHING, **NO_LIMITS}
    apps.append(create_app(Settings.read(settings)))
    return Person(apps[-1].test_client())


# -- the database


def test_upgrade_makes_the_database_and_may_be_repeated(hyperapi: Run, tmp_path: Path) -> None:
    for told in (f"hyperapi: migrated from nothing to {EXPECTED}\n", ""):
        ran = hyperapi("upgrade")
        assert (ran.status, ran.out, ran.err) == (0, "The database is up to date.\n", told)
    assert (tmp_path / "instance" / "hyperapi.db").exists()


def test_upgrade_makes_the_folder_that_the_database_is_to_be_in(
    hyperapi: Run, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/some/where/else.db"
    assert hyperapi("upgrade", database_url=url).status == 0
    assert (tmp_path / "some" / "where" / "else.db").exists()


# -- users


def test_a_user_who_was_made_here_can_sign_in_though_registration_is_closed(
    upgraded: Run, apps: list[Flask], tmp_path: Path
) -> None:
    made = upgraded(
        "users",
        "create",
        "Alice",
        "--email",
        "alice@example.org",
        "--password",
        PASSWORD,
        registration="closed",
    )
    assert (made.status, made.out, made.err) == (0, "alice can sign in now.\n", "")
    alice = stranger(apps, tmp_path)
    alice.name = "alice"
    alice.sign_in()
    assert alice.get(alice.root["user_uri"])["email"] == "alice@example.org"


def test_users_are_listed_one_a_line_with_their_state(upgraded: Run) -> None:
    for name in ("carol", "bob"):
        upgraded("users", "create", name, "--password", PASSWORD)
    upgraded("users", "disable", "carol")
    listed = upgraded("users", "list")
    assert (listed.status, listed.err) == (0, "")
    bob, carol = listed.out.splitlines()
    assert re.fullmatch(r"bob +\d{4}-\d\d-\d\dT[0-9:.]+Z +active", bob)
    assert re.fullmatch(r"carol +\d{4}-\d\d-\d\dT[0-9:.]+Z +disabled", carol)
    assert PASSWORD not in listed.out


def test_a_disabled_user_is_out_at_once_and_in_again_when_it_is_undone(
    upgraded: Run, apps: list[Flask], tmp_path: Path
) -> None:
    alice = stranger(apps, tmp_path).register("alice").sign_in()
    lists = alice.root["lists_uri"]
    assert upgraded("users", "disable", "ALICE").status == 0
    assert alice.ask("GET", lists).status_code == 401
    credentials = {"username": "alice", "password": PASSWORD}
    alice.token, token = "", alice.token
    assert alice.ask("POST", alice.root["tokens_uri"], json=credentials).status_code == 401
    again = upgraded("users", "disable", "--undo", "alice")
    assert (again.status, again.out) == (0, "alice is active now.\n")
    alice.token = token  # which does not come back
    assert alice.ask("GET", lists).status_code == 401
    assert alice.sign_in().ask("GET", lists).status_code == 200


def test_a_user_who_forgot_their_password_is_given_another_and_signed_out(
    upgraded: Run, apps: list[Flask], tmp_path: Path
) -> None:
    alice = stranger(apps, tmp_path).register("alice").sign_in()
    bob = stranger(apps, tmp_path).register("bob").sign_in()
    lists = alice.root["lists_uri"]
    given = upgraded("users", "password", "Alice", "--password", "another horse")
    said = "alice can sign in with the new password. All sessions have ended.\n"
    assert (given.status, given.out, given.err) == (0, said, "")
    assert alice.ask("GET", lists).status_code == 401
    alice.token = ""
    for password, status in ((PASSWORD, 401), ("another horse", 201)):
        credentials = {"username": "alice", "password": password}
        assert alice.ask("POST", alice.root["tokens_uri"], json=credentials).status_code == status
    assert bob.ask("GET", bob.root["lists_uri"]).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("create", "alice", "--password", PASSWORD),
            "Error: The name is taken. Choose another name.",
        ),
        (("create", "a", "--password", PASSWORD), "Error: username must not be shorter than 3"),
        (("create", "alice b", "--password", PASSWORD), "Error: username must match "),
        (("create", "dave", "--password", "short"), "Error: password must not be shorter than 8"),
        (("create", "dave", "--email", "d", "--password", PASSWORD), "Error: email must match "),
        (("disable", "nobody"), "Error: There is no user nobody."),
        (("password", "nobody", "--password", PASSWORD), "Error: There is no user nobody."),
        (("password", "alice", "--password", "short"), "Error: password must not be shorter than "),
    ],
)
def test_what_cannot_be_done_to_a_user_is_said_in_one_line(
    upgraded: Run, arguments: tuple[str, ...], said: str
) -> None:
    upgraded("users", "create", "alice", "--password", PASSWORD)
    complaint = upgraded("users", *arguments).complaint
    assert complaint.startswith(said)
    assert PASSWORD not in complaint


@pytest.mark.parametrize("words", [("users", "list"), ("users", "disable", "alice"), ("keys",)])
def test_before_there_is_a_database_that_is_said_in_one_line(
    hyperapi: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert hyperapi(*words).complaint.endswith("run hyperapi upgrade first")
    nowhere = hyperapi(*words, database_url=f"sqlite:///{tmp_path}/no/folder.db")
    assert nowhere.complaint.startswith("Error: The database is not available: ")


def test_of_an_older_database_it_is_said_too(upgraded: Run, tmp_path: Path) -> None:
    command.downgrade(migrations.config(f"sqlite:///{tmp_path}/instance/hyperapi.db"), "-1")
    assert upgraded("users", "list").complaint.endswith("run hyperapi upgrade first")


# -- the ring of keys


def test_a_key_is_made_and_old_tokens_stay_good_until_theirs_is_removed(
    upgraded: Run, apps: list[Flask], tmp_path: Path
) -> None:
    alice = stranger(apps, tmp_path).register("alice").sign_in()
    (old,) = upgraded("keys").out.splitlines()
    assert re.fullmatch(r"\S+ +1 live sessions  signs and verifies", old)
    assert upgraded("keys", "new").status == 0
    first, second = upgraded("keys").out.splitlines()
    assert first.endswith(" 1 live sessions  verifies")
    assert second.endswith(" 0 live sessions  signs and verifies")
    later = stranger(apps, tmp_path)
    later.name, later.token = "alice", alice.token
    assert later.root["user_uri"]
    assert upgraded("keys", "remove", old.split()[0]).status == 0
    last = stranger(apps, tmp_path)
    last.token = alice.token
    assert last.ask("GET", "/api/v1/").status_code == 401
    assert "only key" in upgraded("keys", "remove", second.split()[0]).complaint
    assert "no key" in upgraded("keys", "remove", "0000").complaint


def test_keys_that_come_from_a_setting_are_not_touched(upgraded: Run, tmp_path: Path) -> None:
    before = (tmp_path / "instance" / "secret_key").read_text()
    new = upgraded("keys", "new", secret_keys=f"{OLD_KEY},{NEW_KEY}")
    assert new.status == 0
    assert re.fullmatch(r"[\w-]{40,}\n", new.out)
    assert "HYPERAPI_SECRET_KEYS" in upgraded("keys", "remove", "x", secret_keys=OLD_KEY).complaint
    assert (tmp_path / "instance" / "secret_key").read_text() == before


def test_keys_new_makes_a_key_where_there_is_none_that_can_be_used(hyperapi: Run) -> None:
    for settings in ({"secret_keys": "a"}, {"database_url": "postgresql://localhost/todo"}):
        for words in (("serve",), ("doctor",), ("upgrade",)):
            complaint = hyperapi(*words, **settings).complaint
            assert complaint.startswith("hyperapi: HYPERAPI_SECRET_KEYS ")
            assert "hyperapi keys new" in complaint
        made = hyperapi("keys", "new", **settings)
        assert (made.status, weakness(made.out.strip())) == (0, None)


# -- the rest


def test_routes_lists_every_operation_with_who_may(
    hyperapi: Run, apps: list[Flask], tmp_path: Path
) -> None:
    lines = hyperapi("routes").out.splitlines()
    listed = {tuple(line.split()[:2]) for line in lines}
    stranger(apps, tmp_path)
    served = {
        (method, rule.rule)
        for rule in apps[-1].url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    # No operations: the redirects, files of the documentation, and documents under a prefix.
    redirects = {"/", "/api/v1/problems/insufficient_scope"}
    beside = {path for _, path in served - listed if "<path:" not in path}
    assert beside <= redirects
    assert listed <= served
    assert all(len(line.split()) > 3 for line in lines)


def test_openapi_prints_the_document(hyperapi: Run) -> None:
    printed = json.loads(hyperapi("openapi", "--base", "https://todo.example.org/x/").out)
    assert printed["openapi"].startswith("3.1")
    assert "https://todo.example.org/x" in json.dumps(printed["servers"])


def test_purging_where_nothing_has_ended_does_no_harm(upgraded: Run) -> None:
    upgraded("users", "create", "alice", "--password", PASSWORD)
    assert upgraded("purge").status == 0
    assert upgraded("users", "list").out.startswith("alice ")


def test_a_wrong_setting_is_said_in_one_line_by_every_command(upgraded: Run) -> None:
    for words in (("upgrade",), ("users", "list"), ("keys",), ("purge",), ("serve",)):
        complaint = upgraded(*words, busy_timeout="soon").complaint
        assert complaint == ("hyperapi: HYPERAPI_BUSY_TIMEOUT must be a whole number from 1 to 60")


@pytest.mark.parametrize(
    ("module", "extra", "setting", "value", "words"),
    [
        ("psycopg", "postgres", "database_url", "postgresql://localhost/todo", ("serve",)),
        ("psycopg", "postgres", "database_url", "postgresql://localhost/todo", ("upgrade",)),
        ("psycopg", "postgres", "database_url", "postgresql://localhost/todo", ("doctor",)),
        ("redis", "redis", "rate_limit_storage", "redis://localhost/0", ("serve",)),
        ("prometheus_client", "metrics", "metrics_port", "9100", ("serve",)),
    ],
)
def test_an_extra_that_is_missing_is_named_in_one_line(
    hyperapi: Run,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    extra: str,
    setting: str,
    value: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    ran = hyperapi(*words, **{setting: value, "port": str(free_port()), "secret_keys": OLD_KEY})
    assert ran.complaint.startswith(f"hyperapi: HYPERAPI_{setting.upper()} ")
    assert ran.complaint.endswith(f": pip install '/path/to/hyperapi[{extra}]'")


@pytest.mark.parametrize("url", ["redis://localhost:http/0", "redis+sentinel://a:1,b:2", "redis"])
def test_a_url_that_is_none_of_redis_is_said_in_one_line(hyperapi: Run, url: str) -> None:
    complaint = hyperapi("serve", rate_limit_storage=url, port=str(free_port())).complaint
    assert complaint.startswith("hyperapi: HYPERAPI_RATE_LIMIT_STORAGE ")


def test_a_setting_that_is_none_is_pointed_out_and_no_obstacle(upgraded: Run) -> None:
    ran = upgraded("users", "list", colour="red")
    assert ran.status == 0
    assert ran.err == "hyperapi: HYPERAPI_COLOUR is not a setting of this version\n"


def test_every_command_says_what_it_is_for(hyperapi: Run) -> None:
    shown = hyperapi("--help").out
    for name, each in cli.commands.commands.items():
        assert re.search(rf"^  {name} +\S", shown, re.MULTILINE)
        assert each.help
    assert hyperapi("-h").out == shown
    assert hyperapi("--version").status == 0
