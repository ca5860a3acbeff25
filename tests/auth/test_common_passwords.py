"""Common passwords: nobody can choose one."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from hyperapi import Settings
from hyperapi.auth.common_passwords import FILE, CommonPasswords, hashes_of
from hyperapi.ops import cli, installation
from hyperapi.settings import SettingsError
from hyperapi.state import state_of
from tests.conftest import PASSWORD, MakeApp, Person, pointers

COMMON = ["password", "12345678", "QwertyUiop", "\uff29LOVEYOU1", "trustno1"]


@pytest.mark.parametrize("password", COMMON)
def test_nobody_registers_with_one(stranger: Person, password: str) -> None:
    sent = {"username": "alice", "password": password}
    assert pointers(stranger.ask("POST", stranger.root["users_uri"], json=sent)) == ["/password"]


def test_nobody_changes_to_one(alice: Person) -> None:
    sent = {"password": "password1", "current_password": PASSWORD}
    refused = alice.ask("PATCH", alice.root["user_uri"], json=sent)
    assert pointers(refused) == ["/password"]
    assert "choose another" in refused.text
    whole = {"username": "alice", **sent}
    assert pointers(alice.ask("PUT", alice.root["user_uri"], json=whole)) == ["/password"]
    alice.sign_in()


def test_operators_give_none(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "open_state", lambda: state_of(app))
    for command in ("create", "password"):
        ran = CliRunner().invoke(
            cli.commands, ["users", command, "alice", "--password", "abc12345"]
        )
        assert ran.exit_code == 1
        assert "common password" in ran.output


def test_a_user_who_has_one_can_still_sign_in(make_app: MakeApp) -> None:
    before = Person(make_app(common_passwords="").test_client())
    sent = {"username": "alice", "password": "password"}
    before.create(before.root["users_uri"], **sent)
    now = Person(make_app().test_client())
    now.create(now.root["tokens_uri"], **sent)


def test_an_operator_can_have_another_list(make_app: MakeApp, tmp_path: Path) -> None:
    own = tmp_path / "passwords.txt"
    own.write_text("Our Company 2026\nshort\n\n")
    someone = Person(make_app(common_passwords=str(own)).test_client())
    users = someone.root["users_uri"]
    sent = {"username": "alice", "password": "our company 2026"}
    assert pointers(someone.ask("POST", users, json=sent)) == ["/password"]
    someone.create(users, username="alice", password="password")


def test_a_list_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HYPERAPI_COMMON_PASSWORDS must be built-in"):
        Settings.read({"HYPERAPI_COMMON_PASSWORDS": str(tmp_path / "no.txt")})


def test_the_list_is_small_sorted_and_whole() -> None:
    content = FILE.read_bytes()
    assert len(content) < 400_000
    hashes = [content[place : place + 5] for place in range(0, len(content), 5)]
    assert hashes == sorted(set(hashes))
    assert len(CommonPasswords(content)) == len(hashes) > 38_000


def test_a_list_finds_its_first_and_last_and_nothing_else() -> None:
    words = [f"password number {number}" for number in range(200)]
    known = CommonPasswords(hashes_of([*words, "x" * 2000, "\0" * 9]))
    assert len(known) == 200
    assert all(word in known for word in words)
    assert not any(f"{word} too" in known for word in words)
    assert "password" not in CommonPasswords(b"")
