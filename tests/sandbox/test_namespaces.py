"""The namespaces of a sandbox: worlds side by side in one server, which do not meet."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from hyperapi_client import (
    Client,
    CredentialsInvalid,
    Invalid,
    NotFound,
    Resource,
    Taken,
    TokenExpired,
    TokenInvalid,
)

from hyperapi.sandbox.client import Sandbox

PASSWORD = "correct horse battery"
AT_ONCE = 10.0


@pytest.fixture
def pair(hyperapi: Sandbox) -> Iterator[tuple[Sandbox, Sandbox]]:
    """Two namespaces."""
    with hyperapi.namespace() as one, hyperapi.namespace() as other:
        yield one, other


# -- making and ending


def test_a_namespace_is_an_empty_service_of_its_own(hyperapi: Sandbox) -> None:
    hyperapi.user("ann")
    made = hyperapi.control.submit("make-namespace", name="first")
    assert (made.name, made.uri.rpartition("/")[2]) == ("first", "first")
    inside = Sandbox(made.links["root"].href, hyperapi.http)
    assert inside.control.uri == made.links["control"].href
    assert (made.members["root"], made.members["control"]) == (inside.root, inside.control.uri)
    ann = inside.user("ann")
    assert list(ann.follow("lists").items()) == []
    under = inside.root.removesuffix("api/v1/")
    for link in (*ann.root().links.values(), *inside.control.links.values()):
        assert link.href.startswith((under, under.replace("/namespaces", "/.well-known"))), link
    listed = hyperapi.control.follow("namespaces")
    assert [each.uri for each in listed.items()] == [made.uri]
    assert made.reload().members == made.members
    made.submit("delete")
    assert list(hyperapi.control.follow("namespaces").items()) == []
    with pytest.raises(NotFound, match="no namespace with this name"):
        ann.follow("lists")
    with pytest.raises(NotFound):
        made.reload()


def test_users_come_with_it_and_can_sign_in(hyperapi: Sandbox) -> None:
    users = [{"username": "ann", "password": PASSWORD}, {}]
    uri = hyperapi.control.links["namespaces"].href
    reply = hyperapi.http.post(uri, json={"users": users})
    assert (reply.status_code, reply.headers["Cache-Control"]) == (201, "no-store")
    made = reply.json()
    ann, other = made["users"]
    assert (ann["username"], ann["password"]) == ("ann", PASSWORD)
    for user in (ann, other):
        client = Client(made["root_uri"], user["access_token"])
        with client:
            assert client.follow("user").username == user["username"]
            client.login(user["username"], user["password"])
    assert hyperapi.http.get(made["uri"]).json().keys() == made.keys() - {"users"}
    assert hyperapi.http.delete(made["uri"]).status_code == 204


def test_nothing_is_left_of_a_namespace_whose_users_are_refused(hyperapi: Sandbox) -> None:
    uri = hyperapi.control.links["namespaces"].href
    wrong = {"name": "again", "users": [{"username": "ann"}, {"username": "ANN"}]}
    assert hyperapi.http.post(uri, json=wrong).status_code == 409
    assert hyperapi.http.get(uri).json()["namespaces"] == []
    reply = hyperapi.http.post(uri, json={"users": [{}, {"username": "!"}]})
    assert [each["pointer"] for each in reply.json()["errors"]] == ["/users/1/username"]


def test_names_are_checked(hyperapi: Sandbox) -> None:
    uri = hyperapi.control.links["namespaces"].href
    for wrong in ("", "a/b", "../up", "ä", ".", "-x", "a b", "a" * 65, "a\n"):
        reply = hyperapi.http.post(uri, json={"name": wrong})
        assert reply.status_code == 422, wrong
        assert [each["pointer"] for each in reply.json()["errors"]] == ["/name"]
    with hyperapi.namespace("A-1_b"), pytest.raises(Taken, match="namespace with this name"):
        hyperapi.control.submit("make-namespace", name="A-1_b")


def test_one_of_many_with_the_same_name_is_made(hyperapi: Sandbox) -> None:
    uri = hyperapi.control.links["namespaces"].href
    with ThreadPoolExecutor(8) as threads:
        made = threads.map(lambda _: hyperapi.http.post(uri, json={"name": "one"}), range(8))
        assert sorted(reply.status_code for reply in made) == [201, *[409] * 7]
    assert hyperapi.http.delete(f"{uri}/one").status_code == 204


def test_a_namespace_has_no_namespaces(pair: tuple[Sandbox, Sandbox]) -> None:
    inside, _ = pair
    assert "namespaces" not in inside.control.links
    assert "make-namespace" not in inside.control.forms()
    uri = f"{inside.control.uri}/namespaces"
    for reply in (inside.http.get(uri), inside.http.post(uri, json={})):
        assert reply.status_code == 404
        assert "Use the control resource of the sandbox" in reply.json()["detail"]


# -- isolation


def signed(client: Client, **headers: str) -> dict[str, str]:
    """The headers of a request with a client's token."""
    assert client.tokens is not None
    return {"Authorization": f"Bearer {client.tokens.access}", **headers}


def make_list(client: Client, title: str = "Groceries") -> Resource:
    """A new list."""
    return client.follow("lists").submit("create", title=title)


def test_tokens_are_good_in_their_own_namespace(
    hyperapi: Sandbox, pair: tuple[Sandbox, Sandbox]
) -> None:
    places = (hyperapi, *pair)
    users = [place.user("ann", PASSWORD) for place in places]
    for place in places:
        for user in users:
            tokens = user.tokens
            assert tokens is not None
            if user.root().uri == place.root:
                place.client(tokens.access).follow("lists")
                continue
            with pytest.raises(TokenInvalid):
                place.client(tokens.access).follow("lists")
            refresh = {"grant_type": "refresh_token", "refresh_token": tokens.refresh}
            reply = place.http.post(place.client().uri_of("tokens"), data=refresh)
            assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


def test_clocks_do_not_meet(hyperapi: Sandbox, pair: tuple[Sandbox, Sandbox]) -> None:
    one, other = pair
    users = [place.user("ann", PASSWORD) for place in (hyperapi, one, other)]
    one.clock.forward(days=1)
    other.clock.forward(days=2)
    users[2].login("ann", PASSWORD)
    here, there = (make_list(ann).created_at for ann in (users[0], users[2]))
    assert here[:10] != there[:10]
    moved = [place.control.follow("clock").ahead_by for place in (hyperapi, one, other)]
    assert moved == [0, 86400, 2 * 86400]
    assert users[1].tokens is not None
    with pytest.raises(TokenExpired):
        one.client(users[1].tokens.access).follow("lists")


def test_what_is_recorded_after_a_reply_has_the_time_of_its_namespace(
    pair: tuple[Sandbox, Sandbox],
) -> None:
    inside, _ = pair
    ann = inside.user("ann", PASSWORD)
    year = inside.clock.forward(days=400).year
    with pytest.raises(CredentialsInvalid):
        inside.client().login("ann", "not the password")
    ann.login("ann", PASSWORD)
    soon = threading.Event()
    for _ in range(200):
        events = list(ann.follow("user").follow("security-log").items())
        if refused := [each for each in events if each.outcome != "success"]:
            break
        soon.wait(0.02)
    assert [each.at[:4] for each in refused] == [str(year)]


def test_a_snapshot_belongs_to_its_namespace(pair: tuple[Sandbox, Sandbox]) -> None:
    one, other = pair
    empty = one.snapshot()
    for place in pair:
        place.user("ann")
    assert other.http.post(empty.uri.replace(one.root, other.root)).status_code == 404
    one.clock.forward(hours=5)
    other.clock.forward(hours=6)
    one.restore(empty)
    moved = [place.control.follow("clock").ahead_by for place in pair]
    assert moved == [0, 6 * 3600]
    one.user("ann")
    with pytest.raises(Taken):
        other.user("ann")


def test_an_idempotency_key_counts_in_its_namespace(pair: tuple[Sandbox, Sandbox]) -> None:
    for place in pair:
        ann = place.user("ann")
        headers = signed(ann, **{"Idempotency-Key": "k1"})
        for _ in range(2):
            reply = place.http.post(ann.uri_of("lists"), json={"title": "Food"}, headers=headers)
            assert (reply.status_code, reply.headers["Location"][: len(place.root)]) == (
                201,
                place.root,
            )
        assert len(list(ann.follow("lists").items())) == 1


def test_cursors_and_uris_are_good_in_their_own_namespace(pair: tuple[Sandbox, Sandbox]) -> None:
    one, other = (place.user("ann") for place in pair)
    lists = [make_list(ann, str(number)) for number in range(3) for ann in (one, other)]
    page = one.follow("lists").search(limit=1)
    for uri in (page.links["next"].href, one.follow("changes").links["next"].href):
        one.at(uri)
        moved = uri.replace(pair[0].root, pair[1].root)
        assert pair[1].http.get(moved, headers=signed(other)).status_code == 400
    with pytest.raises(Invalid, match="list_uri"):
        lists[1].follow("tasks").submit("create", title="x").submit("edit", list_uri=lists[0].uri)
    with pytest.raises(NotFound):
        other.at(lists[0].uri.replace(pair[0].root, pair[1].root))


@contextmanager
def streamed(place: Sandbox, client: Client) -> Iterator[Iterator[str]]:
    """The lines of an event stream, from its first one on."""
    headers = signed(client, Accept="text/event-stream")
    uri = client.uri_of("changes")
    with place.http.stream("GET", uri, headers=headers, timeout=AT_ONCE) as reply:
        lines = reply.iter_lines()
        assert next(lines) == ": changes follow"
        yield lines


def next_event(lines: Iterator[str]) -> str:
    """The data of the next event."""
    return next(line for line in lines if line.startswith("data: "))


def test_feeds_tell_of_their_own_namespace(pair: tuple[Sandbox, Sandbox]) -> None:
    one, other = (place.user("ann") for place in pair)
    with streamed(pair[0], one) as mine, streamed(pair[1], other) as theirs:
        make_list(other, "Theirs")
        make_list(one, "Mine")
        assert '"Mine"' in next_event(mine)
        assert '"Theirs"' in next_event(theirs)


def test_a_stream_lives_by_the_clock_of_its_namespace(pair: tuple[Sandbox, Sandbox]) -> None:
    one, other = (place.user("ann", PASSWORD) for place in pair)
    with streamed(pair[0], one) as mine, streamed(pair[1], other) as theirs:
        pair[0].clock.forward(days=400)
        for client in (one, other):
            client.login("ann", PASSWORD)
            make_list(client, "News")
        assert "".join(mine) == ""  # its session has expired
        assert '"News"' in next_event(theirs)


def test_readers_end_with_their_namespace(hyperapi: Sandbox) -> None:
    with ExitStack() as held, ThreadPoolExecutor(1) as threads, hyperapi.namespace() as stays:
        ann = stays.user("ann")
        staying = held.enter_context(streamed(stays, ann))
        with hyperapi.namespace() as ends:
            bob = ends.user("bob")
            events = held.enter_context(streamed(ends, bob))
            onward = bob.follow("changes").links["next"].href
            headers = signed(bob, Prefer="wait=60")
            waiting = threads.submit(ends.http.get, onward, headers=headers, timeout=60)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        assert "".join(events) == ""
        assert waiting.result(AT_ONCE).status_code == 200
        make_list(ann, "News")
        assert '"News"' in next_event(staying)
