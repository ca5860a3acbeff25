"""``hyperapi upgrade`` on Citus: everything of owners is distributed, and nothing is lost."""

from pathlib import Path

from alembic import command
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from hyperapi.ops import doctor
from hyperapi.settings import Settings
from hyperapi.storage import distribution, migrations
from hyperapi.storage.models import OWN_TABLES
from hyperapi.storage.schema import EXPECTED
from hyperapi.storage.text_index import WAITING
from tests import citus
from tests.conftest import PASSWORD, SECRET_KEY, Person, applications_at
from tests.databases import as_setting
from tests.storage.test_upgrading import NEXT, with_migration

NAME = "hyperapi_test_upgrade"
PARTS = {f"{name}_text{part}" for name in ("lists", "tasks") for part in ("", "_owners")}
"""The tables of the text indexes."""
NOTES = """
    from hyperapi.storage.models import Key
    from hyperapi.storage.text_index import create_text_index
    op.create_table(
        "notes",
        sa.Column("owner", Key(), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_notes"),
        sa.ForeignKeyConstraint(["owner"], ["users.key"], name="fk_notes_owner_users"),
    )
    op.create_index("ix_notes_words", "notes", ["owner", "words"])
    create_text_index(op.get_bind(), "notes", ["words"])
"""


def examined(url: str) -> Connection:
    """A connection to a database."""
    return create_engine(as_setting(url), poolclass=NullPool).connect()


def spread(url: str) -> dict[str, str]:
    """The distributed tables of a database, with their columns."""
    with examined(url) as connection:
        return {each.table: each.column for each in distribution.spread(connection)}


def test_an_empty_database_is_distributed(cluster: citus.Cluster) -> None:
    cluster.create(NAME)
    url, lines = cluster.url(NAME), list[str]()
    migrations.upgrade(as_setting(url), progress=lines.append)
    found = spread(url)
    assert {table.name for table in OWN_TABLES} <= found.keys()
    assert found["users"] == "key"
    assert found["usernames"] == "name"
    assert set(found.values()) == {"owner", "key", "name"}
    assert "distributed tasks by owner: 0 rows" in lines
    migrations.upgrade(as_setting(url), progress=lines.append)
    assert lines[-1] == f"hyperapi: migrated from nothing to {EXPECTED}"


def test_a_filled_database_of_postgresql_is_distributed_with_its_rows(
    cluster: citus.Cluster, tmp_path: Path
) -> None:
    cluster.create(NAME, plain=True)
    url = cluster.url(NAME)
    migrations.upgrade(as_setting(url))
    for make in applications_at(url, tmp_path):
        alice = Person(make().test_client()).register("alice").sign_in()
        made = alice.make_task(alice.make_list(), "Milk")
        with examined(url) as connection:  # so many changes that the texts are indexed
            more = f"UPDATE users SET revision = revision + {WAITING + 1}"
            connection.execute(text(more))
            connection.commit()
        alice.make_list("Work")
        cluster.make_distributed(NAME)
        lines = list[str]()
        migrations.upgrade(as_setting(url), progress=lines.append)
        assert "distributed lists by owner: 2 rows" in lines
        assert alice.get(made["uri"]) == made
        tasks = alice.get(f"{alice.root['tasks_uri']}?title=milk")["tasks"]
        assert [each["title"] for each in tasks] == ["Milk"]
        alice.sign_in()
        again = {"username": "alice", "password": PASSWORD}
        assert alice.ask("POST", alice.root["users_uri"], json=again).status_code == 409
        assert alice.ask("DELETE", alice.root["user_uri"]).status_code == 204


def test_a_distributed_database_is_migrated(cluster: citus.Cluster) -> None:
    cluster.create(NAME)
    url = as_setting(cluster.url(NAME))
    older = migrations.config(url)
    older.attributes["progress"] = lambda _: None
    command.upgrade(older, "0011_since_0010")
    assert spread(cluster.url(NAME)).keys() < {table.name for table in OWN_TABLES} | PARTS
    lines = list[str]()
    migrations.upgrade(url, progress=lines.append)
    assert spread(cluster.url(NAME)).keys() == {table.name for table in OWN_TABLES} | PARTS
    assert "distributed oauth_clients by key: 0 rows" in lines


def test_a_new_table_of_owners_is_distributed_by_its_migration(
    cluster: citus.Cluster, tmp_path: Path
) -> None:
    cluster.create(NAME)
    url = cluster.url(NAME)
    migrations.upgrade(as_setting(url))
    scripts = with_migration(tmp_path / "next", NEXT, EXPECTED, NOTES)
    migrations.upgrade(as_setting(url), scripts)
    assert spread(url)["notes"] == spread(url)["notes_text_owners"] == "owner"
    with examined(url) as connection:
        keys = "SELECT count(*) FROM pg_constraint WHERE conname = 'fk_notes_owner_users'"
        assert connection.execute(text(keys)).scalar() == 1


def test_the_doctor_shows_what_is_distributed_and_what_is_not(cluster: citus.Cluster) -> None:
    cluster.create(NAME)
    url = cluster.url(NAME)
    migrations.upgrade(as_setting(url))
    with examined(url) as connection:
        connection.execute(text("CREATE TABLE left_out (owner uuid PRIMARY KEY)"))
        connection.commit()
    said = {"HYPERAPI_DATABASE_URL": url, "HYPERAPI_SECRET_KEYS": SECRET_KEY}
    lines = [each.line for each in doctor.of_database(Settings.read(said))]
    assert "left_out is not distributed: run `hyperapi upgrade`" in lines
    assert any(line.startswith("tasks is distributed by owner in 4 shards: ") for line in lines)
