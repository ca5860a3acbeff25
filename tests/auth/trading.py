"""Trading passwords and tokens for tokens, as clients do it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import Engine, delete, select, update
from werkzeug.test import TestResponse

from hyperapi.storage.database import database
from hyperapi.storage.models import Session, User
from tests.conftest import PASSWORD, Person

Clock = Callable[[timedelta], None]

TOKENS = "/api/v1/tokens"
LISTS = "/api/v1/lists"
ALL = "account tasks:read tasks:write"


def with_token(person: Person, token: Any) -> Person:
    """The same client with another token, or with that of a token's document."""
    text = token if isinstance(token, str) else token["access_token"]
    return Person(person.client, person.name, text)


def trade(person: Person, **members: Any) -> TestResponse:
    """Ask for tokens with JSON, and with the person's token if there is one."""
    return person.ask("POST", TOKENS, json=members)


def signed_in(person: Person, **wanted: Any) -> Any:
    """The document of a new session, with its secrets."""
    credentials = {"username": person.name, "password": PASSWORD}
    made = trade(with_token(person, ""), **credentials, **wanted)
    assert made.status_code == 201, made.text
    return made.json


def refresh(person: Person, token: Any) -> TestResponse:
    """Trade a refresh token, or that of a token's document, for its successors."""
    text = token if isinstance(token, str) else token["refresh_token"]
    return trade(with_token(person, ""), refresh_token=text)


def refreshed(person: Person, token: Any) -> Any:
    """The document of a session with its new tokens, which must have worked."""
    reply = refresh(person, token)
    assert reply.status_code == 200, reply.text
    return reply.json


def pair(document: Any) -> tuple[str, str]:
    """A document's two tokens."""
    return document["access_token"], document["refresh_token"]


def grant(person: Person, **fields: Any) -> TestResponse:
    """Ask for tokens as OAuth 2 libraries do."""
    return with_token(person, "").ask("POST", TOKENS, data=fields)


def derive(person: Person, **wanted: Any) -> TestResponse:
    """Ask for a token derived from the person's."""
    return trade(person, **wanted)


def derived(person: Person, **wanted: Any) -> Person:
    """The person with a token derived from the present one."""
    made = derive(person, **wanted)
    assert made.status_code == 201, made.text
    return with_token(person, made.json)


def try_out(person: Person, token: Any) -> TestResponse:
    """Use an access token for what every scope that touches tasks includes."""
    return with_token(person, token).ask("GET", LISTS)


def works(person: Person, token: Any) -> bool:
    """Is the access token good?"""
    return try_out(person, token).status_code == 200


def session_of(person: Person) -> Any:
    """The session that the person's token is of."""
    [found] = [each for each in person.get(TOKENS)["tokens"] if each["current"]]
    return found


def engine_of(app: Flask) -> Engine:
    """The database behind an application, to look at what the API does not show."""
    with app.app_context():
        return database.engine


def disable(app: Flask, name: str, disabled: bool = True) -> None:
    """Keep a user out (or let one in again), as the operator's command does."""
    with engine_of(app).begin() as connection:
        if disabled:
            key = select(User.key).where(User.username == name).scalar_subquery()
            connection.execute(delete(Session).where(Session.owner == key))
        connection.execute(update(User).where(User.username == name).values(disabled=disabled))
