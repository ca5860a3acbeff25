"""An application in this process, into which rules may look."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import MetaData, select
from werkzeug.exceptions import HTTPException
from werkzeug.test import Client, create_environ

from hyperapi.auth.recovery import RecoveryTokens
from hyperapi.auth.security_log import Refusals
from hyperapi.common.clock import now
from hyperapi.extension.owned_resources import OwnedResources
from hyperapi.http.context import Context
from hyperapi.http.routes import PREFIX, Route, RouteTable
from hyperapi.http.uris import Uris, base_of
from hyperapi.representations.relations import RELATIONS
from hyperapi.state import state_of
from hyperapi.storage.database import Database, database
from hyperapi.storage.models import User
from hyperapi.storage.row_scope import Model, RowScope, find
from hyperapi.storage.text_index import is_part
from hyperapi.testing import contract
from hyperapi.testing.world import Somebody, World

HOST = "http://localhost"
_NOT_STORED = ("last_used_at",)
"""Columns that change by looking."""


class AppWorld(World):
    """An application, and people on it. Rules compare the rows of its database."""

    inside = True

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.state = state_of(app)
        self.context = _context(app)
        self._resources = self.state[OwnedResources]
        self._tables: MetaData | None = None
        table = self.state[RouteTable]
        super().__init__(HOST, table.routes, table.scopes, contract.promises_of(table))

    def renew(self) -> None:
        super().renew()
        self._forgetful = self.newcomer().key

    def client(self) -> Client:
        return self.app.test_client()

    # -- URIs and declarations

    def uri_at(self, route: Route, key: str | None) -> str:
        return route.uri(self.context, key)

    def matched(self, uri: str) -> tuple[str, str] | None:
        try:
            rule, keys = self.context.uris.match(urlsplit(uri).path, "OPTIONS")
        except HTTPException:
            return None
        return rule.endpoint, str(keys.get("key", ""))

    @property
    def well_known(self) -> str:
        return self.context.uris.well_known("oauth-protected-resource")

    def meaning_of(self, relation: str) -> str | None:
        return RELATIONS.get(relation)

    def unique_members(self, resource: str) -> set[str]:
        return {each.name for each in self._resources.named[resource].unique}

    def refuses_deletion(self, resource: str) -> list[str]:
        return [
            each.resource.name
            for name in self._resources.deleted_with(resource)
            for each in self._resources.referrers[name]
            if each.on_delete == "restrict" and each.resource.name != name
        ]

    def changed_with(self, resource: str) -> set[str]:
        deleted = self._resources.deleted_with(resource)
        referrers = (each for name in deleted for each in self._resources.referrers[name])
        return {*deleted, *(each.resource.name for each in referrers)}

    @cached_property
    def models(self) -> set[Model]:
        """The models of the owned resources."""
        return {each.model for each in self._resources.named.values()}

    # -- the inside

    def recovery_token(self) -> str:
        """A token of somebody who is not needed: it ends all sessions."""
        key = self._forgetful
        row = self.state[Database].read(
            lambda tx: find(tx, User, RowScope(key), key, (User.password_hash,))
        )
        assert row is not None, "nobody deletes the account"
        return self.state[RecoveryTokens].issue(key, row.password_hash, now())

    def stored(self, whose: Somebody | None = None) -> dict[str, list[Any]]:
        """All that the database holds, or what it holds of one person."""
        self.state[Refusals].write()
        with self.app.app_context(), database.engine.connect() as connection:
            if self._tables is None:
                self._tables = MetaData()
                self._tables.reflect(connection, only=lambda name, _: not is_part(name))
            key = None if whose is None else whose.key
            return {
                table.name: list(connection.execute(statement).all())
                for table, statement in self._statements(key)
            }

    def _statements(self, owner: str | None) -> Iterator[tuple[Any, Any]]:
        assert self._tables is not None
        for table in self._tables.sorted_tables:
            found = select(*(each for each in table.c if each.name not in _NOT_STORED))
            found = found.order_by(*(table.primary_key or table.c))
            if owner is None:
                yield table, found
            elif "owner" in table.c:
                yield table, found.where(table.c.owner == owner)


def _context(app: Flask) -> Context:
    """The context of a request that was never sent."""
    environ = create_environ(f"{PREFIX}/", f"{HOST}/")
    return Context(state_of(app), environ, Uris(app, base_of(environ)))
