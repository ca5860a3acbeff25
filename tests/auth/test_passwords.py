"""How passwords are kept and checked."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hyperapi import Settings
from hyperapi.auth.passwords import HashersBusy, Passwords, hashing_capacity
from hyperapi.state import state_of
from tests.conftest import CHEAP_HASHING, PASSWORD, SECRET_KEY, MakeApp, Person, problem

# One that is worked on, and those that wait.
QUEUE = hashing_capacity(
    Settings.read({"HYPERAPI_HASHERS": "1", "HYPERAPI_SECRET_KEYS": SECRET_KEY})
)


def keeper(**settings: str) -> Passwords:
    """A keeper of passwords that hashes cheaply."""
    named = {f"HYPERAPI_{name.upper()}": value for name, value in settings.items()}
    return Passwords(Settings.read({"HYPERAPI_SECRET_KEYS": SECRET_KEY, **CHEAP_HASHING, **named}))


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return keeper()


def test_a_password_is_kept_as_argon2id_and_never_twice_the_same(passwords: Passwords) -> None:
    first, second = passwords.hash(PASSWORD), passwords.hash(PASSWORD)
    assert first.startswith("$argon2id$")
    assert first != second
    assert passwords.verify(PASSWORD, first) == (True, None)
    assert passwords.verify(PASSWORD + " ", first) == (False, None)


def test_the_operators_default_is_what_owasp_advises() -> None:
    kept = Passwords(Settings.read({"HYPERAPI_SECRET_KEYS": SECRET_KEY})).hash(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        ("Cafe\u0301 au lait", "Caf\u00e9 au lait"),  # an accent of its own
        ("\ufb01ve wizards", "five wizards"),  # a ligature
        ("\uff50\uff41\uff53\uff53word", "password"),  # full width
        ("\u2460 \u2461 \u2462 four", "1 2 3 four"),
        ("no\u00a0break", "no break"),
    ],
)
def test_it_does_not_matter_which_keyboard_wrote_it(
    passwords: Passwords, chosen: str, typed: str
) -> None:
    assert passwords.verify(typed, passwords.hash(chosen))[0]
    assert passwords.verify(chosen, passwords.hash(typed))[0]


def test_case_and_space_do_matter(passwords: Passwords) -> None:
    kept = passwords.hash("Correct Horse")
    for typed in ("correct horse", "Correct Horse ", "Correct  Horse"):
        assert not passwords.verify(typed, kept)[0]


def test_every_character_counts(passwords: Passwords) -> None:
    longest = "x" * 1024
    assert not passwords.verify(longest[:-1] + "y", passwords.hash(longest))[0]


def test_a_hash_of_older_parameters_is_renewed_once_the_password_is_right() -> None:
    old, new = keeper(), keeper(hashing_rounds="2")
    kept = old.hash(PASSWORD)
    right, renewed = new.verify(PASSWORD, kept)
    assert right
    assert renewed is not None
    assert "t=2," in renewed
    assert new.verify(PASSWORD, renewed) == (True, None)
    assert new.verify("wrong", kept) == (False, None)


def test_an_unknown_user_costs_the_same_work(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = passwords._context
    worked: list[str] = []

    class Watched:
        def verify_and_update(self, password: str, kept: str) -> Any:
            worked.append(kept.rpartition("$")[0].rpartition("$")[0])  # the parameters
            return context.verify_and_update(password, kept)

    kept = passwords.hash(PASSWORD)
    monkeypatch.setattr(passwords, "_context", Watched())
    assert passwords.verify(PASSWORD, None) == (False, None)
    assert passwords.verify("nobody", None) == (False, None)
    assert passwords.verify("wrong", kept) == (False, None)
    assert len(worked) == 3
    assert len(set(worked)) == 1


class Slow:
    """Stands for hashing that takes until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.at_once = self.most = 0
        self.lock = threading.Lock()

    def hash(self, password: str) -> str:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.go.wait(5)
        with self.lock:
            self.at_once -= 1
        return password


def fill(threads: ThreadPoolExecutor, passwords: Passwords, number: int) -> list[Any]:
    """Begin to hash so many passwords, and wait until all are in the queue."""
    begun = [threads.submit(passwords.hash, PASSWORD) for _ in range(number)]
    for _ in range(5000):
        if passwords.pending == QUEUE:
            return begun
        time.sleep(0.001)
    raise AssertionError("they did not all get into the queue")


def test_a_flood_waits_in_a_queue_that_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords, slow = keeper(hashers="1"), Slow()
    monkeypatch.setattr(passwords, "_context", slow)
    with ThreadPoolExecutor(QUEUE) as threads:
        begun = fill(threads, passwords, QUEUE)
        with pytest.raises(HashersBusy):
            passwords.hash(PASSWORD)
        slow.go.set()
        assert [each.result() for each in begun] == [PASSWORD] * QUEUE
    assert slow.most == 1
    assert passwords.hash(PASSWORD) == PASSWORD


def test_in_a_flood_i_am_told_to_come_back(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(hashers="1", sign_in_limit="2/minute")
    alice = Person(app.test_client()).register("alice")
    passwords, slow = state_of(app)[Passwords], Slow()
    with ThreadPoolExecutor(QUEUE) as threads, monkeypatch.context() as patched:
        patched.setattr(passwords, "_context", slow)
        fill(threads, passwords, QUEUE)
        for _ in range(3):  # which does not count as guessing
            wanted = {"username": "alice", "password": PASSWORD}
            refused = alice.ask("POST", alice.root["tokens_uri"], json=wanted)
            problem(refused, 503, "unavailable")
            assert int(refused.headers["Retry-After"]) >= 1
        slow.go.set()
    alice.sign_in()


@pytest.mark.parametrize(
    ("come", "served"),
    [
        ("a1 a2 a3 a4", "a1 a2 a3 a4"),
        ("a1 a2 a3 a4 b1", "a1 a2 b1 a3 a4"),
        ("a1 a2 a3 b1 b2 c1 a4", "a1 a2 b1 c1 a3 b2 a4"),
    ],
)
def test_those_who_wait_take_turns(monkeypatch: pytest.MonkeyPatch, come: str, served: str) -> None:
    passwords, slow = keeper(hashers="1"), Slow()
    monkeypatch.setattr(passwords, "_context", slow)
    done: list[str] = []
    with ThreadPoolExecutor(7) as threads:
        for number, name in enumerate(come.split(), 1):
            threads.submit(lambda name: done.append(passwords.hash(name, name[0])), name)
            while passwords.pending < number:
                time.sleep(0.001)
        slow.go.set()
    assert done == served.split()


def test_whoever_has_waited_too_long_leaves_the_queue_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords, slow = keeper(hashers="1"), Slow()
    monkeypatch.setattr(passwords, "_context", slow)
    with ThreadPoolExecutor(2) as threads:
        threads.submit(passwords.hash, PASSWORD)
        while passwords.pending < 1:
            time.sleep(0.001)
        with monkeypatch.context() as hurried:
            hurried.setattr("hyperapi.auth.passwords._PATIENCE", 0.01)
            with pytest.raises(HashersBusy):
                passwords.hash(PASSWORD)
        assert passwords.pending == 1
        later = threads.submit(passwords.hash, PASSWORD)
        slow.go.set()
        assert later.result() == PASSWORD
    assert passwords.pending == 0
