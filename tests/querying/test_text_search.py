"""``q`` and ``tag`` through the text index: the same answers as without it, whatever changes."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from hyperapi.resources.tasks import TASKS
from hyperapi.state import state_of
from hyperapi.storage import migrations, text_index
from hyperapi.storage.backup import back_up, restore
from hyperapi.storage.database import database
from hyperapi.storage.migrations import MigrationError
from hyperapi.storage.retention import RULES, purge
from tests.conftest import Person
from tests.querying.conftest import Population
from tests.querying.memory import keys, ordered, question, selected, walk

WORDS = (
    "AND",
    "OR NOT",
    "NEAR(a b)",
    'say "hi"',
    "star*",
    "^first",
    "title:x",
    "{a b}:c",
    "100%",
    "a_b",
    "it's",
    "back\\slash",
    "Straße",
    "İstanbul",
    "e\N{COMBINING ACUTE ACCENT}te\N{COMBINING ACUTE ACCENT}",
    "\U0001f600\U0001f600",
    "東京都",
    "a\nb",
    "ǅ",
    "-",
    "7A7",
)


def found(person: Person, uri: str, **asked: str) -> list[str]:
    """The titles of the tasks that a query finds."""
    return sorted(task["title"] for task in walk(person, uri + question(list(asked.items()))))


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    word=st.sampled_from(WORDS),
    start=st.integers(0, 8),
    length=st.integers(1, 6),
    case=st.sampled_from([str, str.upper, str.lower, str.swapcase]),
)
def test_parts_of_odd_texts_are_found_as_plain_python_finds_them(
    odd: tuple[Person, list[Any]], word: str, start: int, length: int, case: Any
) -> None:
    person, tasks = odd
    wanted = case(word[start : start + length] or word)
    asked = [("q", wanted)]
    met = walk(person, person.root["tasks_uri"] + question(asked))
    assert keys(met) == keys(ordered(selected(tasks, asked)))


@pytest.fixture(scope="module")
def odd(join: Any) -> tuple[Person, list[Any]]:
    """Somebody whose tasks have odd texts, in the title or in the description."""
    person = join("odd")
    made = person.make_list()
    tasks = [person.make_task(made, word) for word in WORDS]
    tasks += [person.make_task(made, "other", description=f"x{word}y") for word in WORDS]
    return person, tasks


@pytest.mark.parametrize("few", [-1, 1000])
def test_what_is_found_does_not_depend_on_how_many_match(
    population: Population, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("hyperapi.querying.page_reader.FEW", few)
    monkeypatch.setattr("hyperapi.querying.page_statements.NEAR", 3)
    statements = TASKS.listing.statements
    monkeypatch.setattr(statements, "in_order", statements.in_order.__wrapped__)  # not those of 500
    zoe = population.person
    for asked in ([("q", "an")], [("q", "milk")], [("tag", "a b")], [("has_due", "true")]):
        for sort in (["title"], ["-due_at"], ["priority", "-title"], []):
            expected = ordered(selected(population.tasks, asked), sort)
            uri = zoe.root["tasks_uri"] + question(asked, sort, limit=4, total="true")
            first = zoe.get(uri)
            assert first["total"] == len(expected)
            assert keys(walk(zoe, uri)) == keys(expected)
            assert keys(walk(zoe, first["last_uri"], "prev_uri")) == keys(expected[::-1])


@pytest.mark.parametrize("indexed", [False, True], ids=["waiting", "indexed"])
def test_the_index_follows_every_way_to_change_a_task(
    app: Flask, alice: Person, indexed: bool
) -> None:
    def changed(method: str, uri: str, **sent: Any) -> None:
        assert alice.ask(method, uri, **sent).status_code < 400
        if indexed:
            index(app)
            assert waiting(app) == set()
        assert in_step(app)

    groceries, work = alice.make_list("Groceries"), alice.make_list("Work")
    everything = alice.root["tasks_uri"]
    milk = alice.make_task(groceries, "Milk", tags=["dairy"])
    changed("PATCH", groceries["uri"], json={"title": "Food"})
    assert found(alice, everything, q="ilk") == found(alice, everything, tag="dairy") == ["Milk"]
    changed("PATCH", milk["uri"], json={"title": "Bread", "tags": []})
    assert found(alice, everything, q="ilk") == found(alice, everything, tag="dairy") == []
    assert found(alice, everything, q="rea") == ["Bread"]
    changed("PATCH", milk["uri"], json={"done": True, "list_uri": work["uri"]})
    assert found(alice, work["tasks_uri"], q="rea") == ["Bread"]
    changed(
        "POST",
        groceries["tasks_uri"],
        json={"tasks": [{"title": f"Oats {number}"} for number in range(5)]},
    )
    assert len(found(alice, everything, q="oats")) == 5
    changed("PATCH", f"{everything}?q=oats", json={"description": "porridge"})
    assert len(found(alice, everything, q="porr")) == 5
    changed("DELETE", f"{everything}?title=oats%201")
    assert len(found(alice, everything, q="porr")) == 4
    changed("DELETE", f"{everything}?q=s%202")
    assert len(found(alice, everything, q="porr")) == 3
    changed("DELETE", groceries["uri"])
    changed("DELETE", milk["uri"])
    assert found(alice, everything, q="porr") == []
    assert pieces(app) == 0


TEXTS = ("", "a", "ab", "Abc", "abcabc", "%_", "é", "straße", "xab\ncx", "7A7")
PARTS = ("a", "ab", "abc", "bca", "%", "É", "SS", "b\nc", "7a", "zz")
STEPS = st.one_of(
    st.tuples(st.just("create"), st.sampled_from(TEXTS[1:]), st.sampled_from(TEXTS)),
    st.tuples(st.just("edit"), st.integers(0, 9), st.sampled_from(TEXTS[1:])),
    st.tuples(st.just("toggle"), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("edit all"), st.sampled_from(PARTS), st.sampled_from(TEXTS)),
    st.tuples(st.just("delete all"), st.sampled_from(PARTS)),
    st.tuples(st.just("index")),
)


@settings(max_examples=20, derandomize=True, deadline=None)
@given(steps=st.lists(STEPS, min_size=3, max_size=12))
def test_whatever_changes_texts_are_found_as_plain_python_finds_them(
    shared_app: Flask, changing: tuple[Person, Any], steps: list[Any]
) -> None:
    person, made = changing
    everything = person.root["tasks_uri"]
    person.ask("DELETE", f"{everything}?all=true")
    tasks: list[Any] = []
    for name, *rest in steps:
        if name == "index":
            index(shared_app)
        elif name == "create":
            tasks.append(person.make_task(made, rest[0], description=rest[1]))
        elif name == "edit all":
            person.ask(
                "PATCH",
                f"{everything}?{question([('q', rest[0])])[1:]}",
                json={"description": rest[1]},
            )
            tasks = [person.get(each["uri"]) for each in tasks]
        elif name == "delete all":
            person.ask("DELETE", f"{everything}{question([('q', rest[0])])}")
            tasks = [each for each in tasks if each not in selected(tasks, [("q", rest[0])])]
        elif tasks:
            task = tasks.pop(rest[0] % len(tasks))
            if name == "delete":
                person.ask("DELETE", task["uri"])
                continue
            changes = {"title": rest[1]} if name == "edit" else {"done": not task["done"]}
            tasks.append(person.ask("PATCH", task["uri"], json=changes).json)
    for part in PARTS:
        asked = [("q", part)]
        assert keys(walk(person, everything + question(asked))) == keys(
            ordered(selected(tasks, asked))
        )
    assert in_step(shared_app)


@pytest.fixture(scope="module")
def changing(join: Any) -> tuple[Person, Any]:
    """Somebody with a list whose tasks change."""
    person = join("changing")
    return person, person.make_list()


def test_rows_are_indexed_together_once_enough_of_them_wait(app: Flask, alice: Person) -> None:
    made = alice.make_list()
    everything = alice.root["tasks_uri"]
    for number in range(2):
        many = {"tasks": [{"title": f"Nr. {number}-{place}"} for place in range(400)]}
        alice.ask("POST", made["tasks_uri"], json=many)
        assert len(waiting(app)) == (401, 400)[number]
    alice.ask("PATCH", found_uri(alice, "Nr. 1-7"), json={"done": True})
    alice.ask("PATCH", found_uri(alice, "Nr. 1-8"), json={"title": "other"})
    alice.ask("PATCH", found_uri(alice, "Nr. 0-7"), json={"done": True})
    alice.ask("PATCH", found_uri(alice, "Nr. 0-8"), json={"title": "other"})
    assert len(waiting(app)) == 402
    assert found(alice, everything, q="r. 0-39") == [
        f"Nr. 0-{place}" for place in (39, *range(390, 400))
    ]
    assert found(alice, everything, q="th") == ["other", "other"]
    assert in_step(app)


def test_one_change_indexes_a_limited_number_of_rows(app: Flask, alice: Person) -> None:
    made = alice.make_list()
    everything = alice.root["tasks_uri"]
    many = {"tasks": [{"title": f"Nr. {place}"} for place in range(1000)]}
    for _ in range(2):
        alice.ask("POST", made["tasks_uri"], json=many)
    alice.ask("PATCH", f"{everything}?q=nr", json={"description": "again"})
    assert len(waiting(app)) == 2000
    for left in (1001, 1):
        alice.ask("PATCH", found_uri(alice, "Nr. 7"), json={"done": left > 1})
        assert len(waiting(app)) <= left + 1
        assert len(found(alice, everything, q="gain")) == 2000
    assert in_step(app)


def found_uri(person: Person, title: str) -> str:
    """The URI of the task with a title."""
    asked = question([("title", title)])
    return str(person.get(person.root["tasks_uri"] + asked)["tasks"][0]["uri"])


@pytest.mark.parametrize("indexed", [False, True], ids=["waiting", "indexed"])
def test_a_deleted_account_leaves_no_text_and_other_texts_stay(
    app: Flask, alice: Person, bob: Person, indexed: bool
) -> None:
    for person in (alice, bob):
        person.make_task(person.make_list(), f"Secret of {person.name}")
    if indexed:
        index(app)
    assert found(alice, alice.root["tasks_uri"], q="secret") == ["Secret of alice"]
    assert alice.ask("DELETE", alice.root["user_uri"]).status_code == 204
    for rule in RULES:
        purge(state_of(app), rule)
    assert found(bob, bob.root["tasks_uri"], q="secret") == ["Secret of bob"]
    assert in_step(app)
    assert bob.ask("DELETE", bob.root["user_uri"]).status_code == 204
    for rule in RULES:
        purge(state_of(app), rule)
    assert pieces(app) == owners(app) == 0


@pytest.mark.only_on("sqlite")
def test_a_short_text_that_no_row_has_has_no_candidates(app: Flask, alice: Person) -> None:
    made = alice.make_list()
    for title in ("class", "loss", 'a "_ b', "d\th", "vv d-h", "yé"):
        alice.make_task(made, title)
    index(app)
    candidates = "SELECT count(*) FROM tasks_text WHERE tasks_text MATCH :query"
    with app.app_context(), database.engine.connect() as connection:
        counts = {
            part: connection.scalar(text(candidates), {"query": text_index._fts5_query(part)})
            for part in ("7", "77", "%", "dh", "gg", "ss", "_", "é")
        }
    assert counts == {"7": 0, "77": 0, "%": 0, "dh": 0, "gg": 0, "ss": 2, "_": 1, "é": 1}


def test_short_texts_are_found_anywhere_in_a_long_text(app: Flask, alice: Person) -> None:
    made = alice.make_list()
    for place in (0, 244, 249, 250, 511, 5000, 9998):
        alice.make_task(made, f"at {place}", description="é" * place + "zq" + "-" * (9998 - place))
    index(app)
    assert waiting(app) == set()
    for part in ("zq", "q", "z"):
        assert len(found(alice, alice.root["tasks_uri"], q=part)) == 7
    assert found(alice, alice.root["tasks_uri"], q="ez") == []
    assert found(alice, alice.root["tasks_uri"], q="éz", has_due="false") == [
        f"at {place}" for place in (244, 249, 250, 5000, 511, 9998)
    ]


@pytest.mark.only_on("sqlite")
def test_an_index_of_an_older_version_is_rebuilt_part_by_part(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = state_of(app).settings.database_url
    made = alice.make_list()
    tasks = [alice.make_task(made, title) for title in ("buzz", "class", "zq%", "ends")]
    columns = "owner TEXT, key TEXT, revision INTEGER, words TEXT, PRIMARY KEY (owner, key)"
    with app.app_context(), database.engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE scraps ({columns})"))
        text_index.create_text_index(connection, "scraps", ["words"])
    index(app)
    command.downgrade(migrations.config(url), "0013_since_0010")
    assert "hex(" in _trigger(app, "scraps")
    assert "hex(" in _trigger(app, "tasks")
    with app.app_context(), database.engine.begin() as connection:
        connection.execute(text("UPDATE tasks SET title_folded = 'dzz' WHERE title = 'ends'"))
        assert connection.scalar(text(_OLD_CANDIDATES)) == 2
    monkeypatch.setattr(text_index, "_FILLED_AT_ONCE", 3)
    lines: list[str] = []
    migrations.upgrade(url, progress=lines.append)
    assert lines[:-1] == [
        "tasks: the texts of 3 of 4 rows are in the index",
        "tasks: the texts of 4 of 4 rows are in the index",
    ]
    assert "hex(" not in _trigger(app, "scraps") + _trigger(app, "tasks")
    assert in_step(app)
    assert found(alice, alice.root["tasks_uri"], q="zz") == ["buzz", "ends"]
    assert found(alice, alice.root["tasks_uri"], q="%") == ["zq%"]
    alice.ask("PATCH", tasks[0]["uri"], json={"title": "bu"})
    assert found(alice, alice.root["tasks_uri"], q="zz") == ["ends"]


_OLD_CANDIDATES = """SELECT count(*) FROM tasks_text WHERE tasks_text MATCH '"7A7" AND "A7A"'"""


def _trigger(app: Flask, table: str) -> str:
    """The statement of the trigger that follows changed texts."""
    statement = text("SELECT sql FROM sqlite_master WHERE name = :name")
    with app.app_context(), database.engine.connect() as connection:
        return str(connection.scalar(statement, {"name": f"{table}_text_update"}))


@pytest.mark.only_on("sqlite")
def test_a_restored_backup_has_the_index_of_its_own_texts(
    app: Flask, alice: Person, tmp_path: Path
) -> None:
    groceries = alice.make_list()
    task = alice.make_task(groceries, "Before")
    configured = state_of(app).settings
    back_up(configured, tmp_path / "backup.db", lambda *_: None)
    alice.ask("PATCH", task["uri"], json={"title": "After"})
    restore(configured, tmp_path / "backup.db", lambda *_: None)
    assert found(alice, alice.root["tasks_uri"], q="befo") == ["Before"]
    assert found(alice, alice.root["tasks_uri"], q="afte") == []
    assert in_step(app)


def index(app: Flask) -> None:
    """Have all rows indexed, as many further changes would."""
    more = f"UPDATE users SET revision = revision + {text_index.WAITING + 1}"
    with app.app_context(), database.engine.begin() as connection:
        connection.execute(text(more))


def in_step(app: Flask) -> bool:
    """Whether each row of every searched table is in the index or waits, and no others are."""
    with app.app_context(), database.engine.connect() as connection:
        for table in ("lists", "tasks"):
            rows = _pairs(connection, f"SELECT owner, key FROM {table}")
            indexed = _pairs(connection, _INDEXED[connection.dialect.name].format(table=table))
            if indexed - rows or rows - indexed != _waiting(connection, table) - indexed:
                return False
    return True


_INDEXED = {
    "sqlite": "SELECT owner, rows.key FROM {table}_text_rows AS rows "
    "LEFT JOIN {table}_text_owners AS owners ON id >> 32 = number AND id <= last",
    "postgresql": "SELECT owner, key FROM {table}_text",
}


def waiting(app: Flask) -> set[tuple[str, ...]]:
    """The rows of every searched table that are not in the index."""
    with app.app_context(), database.engine.connect() as connection:
        return _waiting(connection, "lists") | _waiting(connection, "tasks")


def _waiting(connection: Connection, table: str) -> set[tuple[str, ...]]:
    return _pairs(
        connection,
        f"SELECT {table}.owner, key FROM {table} LEFT JOIN {table}_text_owners AS owners "
        f"ON owners.owner = {table}.owner WHERE revision > coalesce(upto, 0)",
    )


def _pairs(connection: Connection, statement: str) -> set[tuple[str, ...]]:
    return {tuple(map(str, row)) for row in connection.execute(text(statement))}


def owners(app: Flask) -> int:
    """The number of owners that the index of tasks knows."""
    with app.app_context(), database.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM tasks_text_owners")).scalar_one())


def pieces(app: Flask) -> int:
    """The number of pieces or texts that the index of tasks has."""
    with app.app_context(), database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(
                text("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, tasks_text, row)")
            )
            return int(connection.execute(text("SELECT count(*) FROM temp.words")).scalar_one())
        return int(connection.execute(text("SELECT count(*) FROM tasks_text")).scalar_one())


def test_without_fts5_an_upgrade_says_what_is_missing_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_index, "_has_fts5", lambda connection: False)
    with pytest.raises(MigrationError, match=r"this SQLite \(3.* has no FTS5.*Python"):
        migrations.upgrade(f"sqlite:///{tmp_path}/new.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_the_prefix_of_a_title_ends_before_the_next_text(alice: Person) -> None:
    groceries = alice.make_list()
    last = "\U0010ffff"
    for title in ("a", f"a{last}", f"a{last}b", "b", last, f"{last}{last}", "\ud7ffx", "\ue000y"):
        alice.make_task(groceries, title)
    for prefix, number in (("a", 3), (f"a{last}", 2), (last, 2), ("\ud7ff", 1), ("b", 1)):
        assert len(found(alice, groceries["tasks_uri"], title_prefix=prefix)) == number
