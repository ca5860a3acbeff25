"""The same requests get the same replies, byte for byte, whichever database is behind them."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask.testing import FlaskClient
from psycopg.errors import SerializationFailure

from hyperapi.storage.database import Database
from tests.conftest import PASSWORD, applications
from tests.databases import POSTGRESQL, SERIALIZABLE, SQLITE, Store, Stores
from tests.querying.conftest import INSTANTS, TAGS, TITLES

SHAPES = ("application/json", "application/hal+json", "application/prs.hal-forms+json")
SORTS = ("", "due_at", "-due_at", "title", "-title", "priority,-due_at", "-updated_at,title")
QUESTIONS = (
    "q=STRASSE",
    "q=100%25",
    "q=_",
    "title=istanbul",
    "title=%C4%B0STANBUL",
    "title_prefix=caf%C3%A9",
    "title_prefix=%5C",
    "tag=Home",
    "tag=a%20b&tag=x,y",
    "due_before=2030-01-31T09:00:00.000001Z",
    "due_after=2030-01-31T10:00:00%2B01:00&has_due=true",
    "has_due=false&total=true",
    "done=true&priority=none",
    "created_after=0001-01-01T00:00:00Z&created_before=9999-12-31T23:59:59.999999Z",
)

Reply = tuple[str, int, list[tuple[str, str]], bytes]
Replies = list[Reply]


class Teller:
    """Somebody who tells the same story to any service, and writes down the replies."""

    def __init__(self, client: FlaskClient, fate: "Fate") -> None:
        self.client = client
        self.fate = fate
        self.token = ""
        self.replies: Replies = []

    def ask(self, method: str, uri: str, **request: Any) -> Any:
        """Send a request; the document of its reply."""
        self.fate.next_request()
        headers = {
            "X-Request-Id": str(UUID(int=len(self.replies))),
            **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
            **request.pop("headers", {}),
        }
        reply = self.client.open(uri, method=method, headers=headers, **request)
        heard = sorted(reply.headers.items())
        self.replies.append((f"{method} {uri}", reply.status_code, heard, reply.data))
        return reply.get_json(silent=True)

    def get_in_every_shape(self, uri: str) -> None:
        """Read something in every shape."""
        for shape in SHAPES:
            self.ask("GET", uri, headers={"Accept": shape})

    def walk(self, uri: str | None) -> None:
        """Read a collection to its end."""
        while uri:
            uri = self.ask("GET", uri)["next_uri"]

    def follow(self, uri: str) -> None:
        """Read the feed of changes until there is no more."""
        page = self.ask("GET", uri)
        while page["more"]:
            page = self.ask("GET", page["next_uri"])


def tell(teller: Teller) -> None:
    """A story in which every kind of value is kept, compared and sorted."""
    root = teller.ask("GET", "/api/v1/")
    signing_in = {"username": "Alice", "password": PASSWORD}
    teller.ask("POST", root["users_uri"], json={**signing_in, "email": "straße@example.org"})
    teller.ask("POST", root["users_uri"], json=signing_in)  # taken
    signed_in = teller.ask("POST", root["tokens_uri"], json={**signing_in, "label": "\N{BELL}é"})
    teller.token = signed_in["access_token"]
    root = teller.ask("GET", "/api/v1/")
    lists = [
        teller.ask("POST", root["lists_uri"], json={"title": title, "description": "é" * 2000})
        for title in ("Groceries", "\N{GRINNING FACE}" * 200, "Straße")
    ]
    fill(teller, [each["tasks_uri"] for each in lists])
    look_around(teller, root, lists)
    change_much(teller, root, lists)
    go_wrong(teller, root, lists)
    teller.get_in_every_shape(root["user_uri"])
    teller.get_in_every_shape(root["tokens_uri"])
    teller.follow(root["changes_uri"])


def fill(teller: Teller, collections: list[str]) -> None:
    """Tasks of many kinds: without and with a due date, in all scripts, of the greatest length."""
    chance = random.Random(11)
    for number in range(3 * len(TITLES)):
        teller.ask(
            "POST",
            chance.choice(collections),
            json={
                "title": TITLES[number % len(TITLES)],
                "description": chance.choice(["", "x" * 10_000, "\N{GRINNING FACE}" * 100]),
                "done": chance.random() < 0.3,
                "due_at": chance.choice([None, None, *INSTANTS]),
                "priority": chance.choice(["none", "low", "medium", "high"]),
                "tags": chance.sample(TAGS, chance.randrange(4)),
            },
        )


def look_around(teller: Teller, root: Any, lists: list[Any]) -> None:
    """Every order and every kind of question, page by page."""
    for sort in SORTS:
        teller.walk(f"{root['tasks_uri']}?limit=20&sort={sort}")
    for question in QUESTIONS:
        teller.ask("GET", f"{root['tasks_uri']}?{question}")
    last = teller.ask("GET", f"{root['tasks_uri']}?limit=7&sort=-due_at")["last_uri"]
    teller.ask("GET", teller.ask("GET", last)["prev_uri"])
    teller.walk(f"{root['lists_uri']}?sort=-title&limit=1")
    for each in lists:
        teller.get_in_every_shape(each["uri"])
        teller.get_in_every_shape(each["tasks_uri"] + "?limit=3")


def change_much(teller: Teller, root: Any, lists: list[Any]) -> None:
    """Change, move, complete and delete, one by one and many at once."""
    tasks = teller.ask("GET", f"{root['tasks_uri']}?limit=30")["tasks"]
    for number, task in enumerate(tasks[:10]):
        teller.ask("PATCH", task["uri"], json={"done": not task["done"], "due_at": None})
        teller.ask("PATCH", task["uri"], json={"list_uri": lists[number % 3]["uri"]})
    key = "00000000-0000-7000-8000-00000000ABCD"
    named = tasks[0]["uri"].rpartition("/")[0] + "/" + key
    whole = {
        "title": "Named",
        "list_uri": lists[0]["uri"],
        "due_at": "2030-01-31T10:00:00.25+01:00",
    }
    for _ in range(2):
        teller.ask("PUT", named, json=whole)
    many = {"tasks": [{"title": title, "tags": ["bulk"]} for title in TITLES]}
    again = {"headers": {"Idempotency-Key": "once"}, "json": many}
    for _ in range(2):
        teller.ask("POST", lists[1]["tasks_uri"], **again)
    teller.ask("PATCH", f"{root['tasks_uri']}?tag=bulk&title_prefix=m", json={"done": True})
    teller.ask("PATCH", f"{root['tasks_uri']}?done=true", json={"list_uri": lists[2]["uri"]})
    teller.ask("DELETE", f"{root['tasks_uri']}?priority=high")
    teller.ask("DELETE", tasks[11]["uri"])
    teller.ask("DELETE", lists[1]["uri"])
    teller.walk(f"{root['lists_uri']}?limit=1")
    teller.walk(f"{root['tasks_uri']}?limit=40&sort=-updated_at")


def go_wrong(teller: Teller, root: Any, lists: list[Any]) -> None:
    """What is refused is refused in the same words."""
    uri = lists[0]["tasks_uri"]
    for members in (
        {"title": "x" * 201},
        {"title": "a\x00b"},
        {"title": "x", "due_at": "9999-12-31T23:59:59-23:59"},
        {"title": "x", "tags": ["t" * 41]},
    ):
        teller.ask("POST", uri, json=members)
    teller.ask("GET", f"{uri}?limit=0&sort=nothing&due_before=today")
    teller.ask("GET", f"{uri}?offset=2147483647")
    teller.ask("GET", lists[1]["uri"])
    teller.ask("PATCH", lists[0]["uri"], json={"title": "y"}, headers={"If-Match": '"old"'})


class Fate:
    """Time and chance, which are the same in every telling: time stands still during a request,
    and a request that begins anew has the same luck again."""

    def __init__(self) -> None:
        self.request = self.drawn = 0

    def next_request(self) -> None:
        """Time goes on."""
        self.request += 1
        self.rewind()

    def rewind(self) -> None:
        """The request begins anew."""
        self.drawn = 0

    def now(self) -> datetime:
        """What time it is."""
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(milliseconds=7 * self.request)

    def urandom(self, size: int) -> bytes:
        """What chance gives."""
        self.drawn += 1
        return (self.request << 16 | self.drawn).to_bytes(size)

    def rules(self, patched: pytest.MonkeyPatch) -> None:
        """Have the service ask here."""
        fate = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return fate.now()

        seconds = SimpleNamespace(time=lambda: fate.now().timestamp())
        patched.setattr("hyperapi.common.clock.datetime", Clock)
        patched.setattr("hyperapi.common.clock.time", seconds)
        patched.setattr("hyperapi.common.ids.os", SimpleNamespace(urandom=self.urandom))
        patched.setattr("hyperapi.common.ids.time", SimpleNamespace(time_ns=lambda: self.request))


def replies_of(store: Store, folder: Path, *, undo: type[psycopg.Error] | None = None) -> Replies:
    """The replies that the story gets on one kind of database."""
    fate = Fate()
    with pytest.MonkeyPatch.context() as patched, applications(store, folder) as make:
        fate.rules(patched)
        if undo is not None:
            patched.setattr(Database, "_commit", every_other(fate, undo))
        teller = Teller(make(request_limit="5000/hour").test_client(), fate)
        tell(teller)
    return teller.replies


def every_other(fate: Fate, undo: type[psycopg.Error]) -> Callable[..., None]:
    """Keeps every other transaction; the rest fails at the last moment."""
    commit, turns = Database._commit, count()

    def commit_or_fail(base: Database, connection: Any) -> None:
        if next(turns) % 2 == 0:
            fate.rewind()
            raise undo
        commit(base, connection)

    return commit_or_fail


@pytest.fixture(scope="module")
def expected(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Replies:
    """The replies that the story gets on SQLite."""
    return replies_of(stores.of(SQLITE), tmp_path_factory.mktemp("story"))


def test_the_story_has_replies_of_every_kind(expected: Replies) -> None:
    statuses = {status for _, status, _, _ in expected}
    assert len(expected) > 200
    assert statuses >= {200, 201, 204, 400, 404, 409, 412, 422}
    assert not statuses & {429, 500, 503}


@pytest.mark.parametrize("kind", [POSTGRESQL, SERIALIZABLE])
def test_every_database_gives_the_same_replies_byte_for_byte(
    stores: Stores, tmp_path: Path, expected: Replies, kind: str
) -> None:
    same(replies_of(stores.of(kind), tmp_path), expected)


def test_transactions_that_had_to_be_repeated_have_the_effects_and_the_replies_of_one(
    stores: Stores, tmp_path: Path, expected: Replies
) -> None:
    repeated = replies_of(stores.of(POSTGRESQL), tmp_path, undo=SerializationFailure)
    same(repeated, expected)


def same(ours: Replies, theirs: Replies) -> None:
    """Fail at the first reply that is not the same."""
    for here, there in zip(ours, theirs, strict=True):
        assert comparable(here) == comparable(there)


def comparable(reply: Reply) -> Reply:
    """A reply without the seconds that are left of a limit's window: they really pass."""
    asked, status, headers, body = reply
    return asked, status, [(name, value.partition(";t=")[0]) for name, value in headers], body
