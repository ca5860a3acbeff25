"""``hyper security``: what happened to the account."""

import json

import httpx

from hyperapi.sandbox.pytest_plugin import Sandbox
from tests.hyper.conftest import Hyper


def test_sign_ins_are_shown(hyper: Hyper, hyperapi: Sandbox) -> None:
    tokens = httpx.get(hyperapi.root, trust_env=False).json()["tokens_uri"]
    wrong = {"username": "ann", "password": "a wrong guess"}
    agent = {"User-Agent": "Mozilla/5.0"}
    assert httpx.post(tokens, json=wrong, headers=agent, trust_env=False).status_code == 401
    hyper("tokens", "create", "robot")
    said = hyper("security")
    assert said.status == 0, said.err
    told = [line[1:4] for line in said.lines]
    assert told == [
        ["derive", "success", "robot"],
        ["sign-in", "credentials-invalid", ""],
        ["sign-in", "success", said.lines[2][3]],
    ]
    assert said.lines[1][4:] == ["Mozilla/5.0", "127.0.0.0/24", "1"]
    [derived] = hyper("security", "--event", "derive", "--json").out.splitlines()
    assert json.loads(derived)["session"] == "robot"
    assert len(hyper("security", "-n", "1").lines) == 1


def test_people_get_a_table(hyper: Hyper, terminal: None) -> None:
    said = hyper("security")
    assert said.status == 0, said.err
    assert "sign-in" in said.out
    assert "127.0.0.0/24" in said.out
