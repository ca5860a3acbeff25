"""Creation of what belongs to a new user, through the operations of the API.

A member of a user or of an object is a collection when a link has its name, and that link leads to
a resource in which others are created. Its value is a list of objects::

    {"lists": [{"title": "Groceries", "tasks": [{"title": "Milk"}, {"title": "Eggs"}]}]}

In short, a text is an object with this title. An object instead of a list has titles as names, and
as values what to create in their only collection::

    {"lists": {"Groceries": ["Milk", {"title": "Eggs", "done": true}]}}

The routes and resource types declare all of this, so collections of extensions are created too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
from werkzeug.exceptions import HTTPException

from hyperapi.http.bodies import JSON, MOST_BYTES, pointer
from hyperapi.http.context import Context
from hyperapi.http.operation_spec import kinds_of
from hyperapi.http.problems import Invalid
from hyperapi.http.routes import Operation, RouteTable
from hyperapi.http.scopes import Scope
from hyperapi.middleware.in_process import ask
from hyperapi.representations.json import member
from hyperapi.representations.resource_type import ResourceType

_AT_ONCE = 1000
_NOT_INWARD = ("up", "collection")
Path = tuple[str | int, ...]
Document = Mapping[str, Any]


@dataclass(frozen=True)
class _Wanted:
    """An object to create.

    :param path: where the request has it.
    :param inside: its collections by name; the empty name is the only collection that it has.
    """

    path: Path
    members: dict[str, Any]
    inside: dict[str, Any] = field(default_factory=dict)


def plant(ctx: Context, token: str, collections: Mapping[str, Any], known: Iterable[str]) -> None:
    """Create collections that the root links to.

    :param token: the access token of their user.
    :param known: the members beside collections, for messages.
    :raises Invalid: when the API refuses something. ``errors`` points to it.
    """
    _Planter(ctx, token).plant(collections, known)


class _Planter:
    """Creates collections with the token of their user."""

    def __init__(self, ctx: Context, token: str) -> None:
        self._ctx = ctx
        self._authorization = ("Authorization", f"Bearer {token}")

    def plant(self, collections: Mapping[str, Any], known: Iterable[str]) -> None:
        root = self._send("GET", self._ctx.uris.uri("root"), None, ())
        creating = [*self._creating(root)]
        unknown = f"is unknown; known members: {', '.join([*known, *creating])}"
        wrong = [
            {"pointer": pointer(name), "detail": unknown}
            for name in collections
            if name not in creating
        ]
        if wrong:
            raise Invalid(errors=wrong)
        self._plant(root, collections, ())

    def _plant(self, parent: Document, collections: Mapping[str, Any], path: Path) -> None:
        for name, value in collections.items():
            here = (*path, name) if name else path
            creating = self._creating(parent)
            named = name or _only(creating, here)
            if named not in creating:
                raise _error(here, "is a link, and nothing can be created there")
            operation = creating[named]
            wanted = list(_read(kinds_of(operation)[0], value, here))
            self._create(parent[member(named)], operation, wanted)

    def _create(self, uri: str, operation: Operation, wanted: Sequence[_Wanted]) -> None:
        """Create objects, those without collections many at a time."""
        plural = _plural(operation)
        plain = [each for each in wanted if not each.inside] if plural else []
        if len(plain) == len(wanted) > 1:
            for some in _batches(plain):
                body = {plural: [each.members for each in some]}
                self._send("POST", uri, body, some)
            return
        for each in wanted:
            made = self._send("POST", uri, each.members, [each])
            self._plant(made, each.inside, each.path)

    def _creating(self, document: Document) -> dict[str, Operation]:
        """Return the operations that create resources, by the links that lead to them."""
        found = {}
        for name, value in document.items():
            link = name.removesuffix("_uri")
            if link != name and link not in _NOT_INWARD and isinstance(value, str):
                operation = self._operation(value)
                if operation is not None:
                    found[link] = operation
        return found

    def _operation(self, uri: str) -> Operation | None:
        """Return the operation of the URI that creates resources of a user."""
        try:
            rule, _ = self._ctx.uris.match(_below_prefix(self._ctx, uri), "POST")
        except HTTPException:
            return None
        route = self._ctx.state[RouteTable].named(rule.endpoint)
        operation = None if route is None else route.operations.get("POST")
        if operation is None or not isinstance(operation.scope, Scope) or not operation.body:
            return None
        return operation if operation.route.returns and operation.route.returns.items else None

    def _send(
        self, method: str, uri: str, body: Mapping[str, Any] | None, wanted: Sequence[_Wanted]
    ) -> Document:
        """Send a request and return the document of its reply."""
        content = b"" if body is None else orjson.dumps(body)
        length = ("Content-Length", str(len(content)))
        headers = [self._authorization, ("Content-Type", JSON), length, ("Accept", JSON)]
        response = ask(self._ctx, method, _target(uri), headers, content)
        document: dict[str, Any] = orjson.loads(response.body)
        if response.status >= 400:
            raise Invalid(errors=list(_errors(document, wanted)))
        return document


def _read(kind: ResourceType, value: Any, path: Path) -> Iterator[_Wanted]:
    """Yield the objects of a collection."""
    if isinstance(value, dict):
        for title, inside in value.items():
            within = {} if inside in ([], {}) else {"": inside}
            yield _Wanted((*path, title), _titled(kind, title, (*path, title)), within)
        return
    if not isinstance(value, list):
        raise _error(path, "must be an array, or an object with titles as names")
    for number, each in enumerate(value):
        where = (*path, number)
        if isinstance(each, str):
            yield _Wanted(where, _titled(kind, each, where))
        elif isinstance(each, dict):
            inside = {name: held for name, held in each.items() if name in kind.all_links}
            yield _Wanted(where, {name: each[name] for name in each if name not in inside}, inside)
        else:
            raise _error(where, "must be an object or text")


def _titled(kind: ResourceType, title: str, path: Path) -> dict[str, Any]:
    if not kind.titled_by:
        raise _error(path, "must be an object with members, because it has no title")
    return {kind.titled_by: title}


def _only(creating: Mapping[str, Operation], path: Path) -> str:
    """Return the name of the only collection."""
    if len(creating) == 1:
        return next(iter(creating))
    names = ", ".join(creating) or "none"
    raise _error(path, f"must be in a list of objects that name their collection (here: {names})")


def _plural(operation: Operation) -> str:
    """Return the member for several objects in one request; empty where there is none."""
    collection = operation.route.returns
    plural = "" if collection is None else collection.items_name
    kinds = operation.body.kinds() if operation.body else ()
    return plural if any(kind.model_fields.keys() == {plural} for kind in kinds) else ""


def _batches(wanted: Sequence[_Wanted]) -> Iterator[list[_Wanted]]:
    """Yield objects in batches that fit in one request."""
    batch: list[_Wanted] = []
    size = 0
    for each in wanted:
        more = len(orjson.dumps(each.members)) + 1
        if batch and (len(batch) == _AT_ONCE or size + more > MOST_BYTES // 2):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += more
    if batch:
        yield batch


def _errors(document: Document, wanted: Sequence[_Wanted]) -> Iterator[dict[str, str]]:
    """Yield the errors of a refused request, as errors of the request that has these objects."""
    for error in document.get("errors", ()):
        path = [part for part in str(error.get("pointer", "")).split("/") if part]
        start: Path = wanted[0].path if wanted else ()
        if len(wanted) > 1 and len(path) > 1 and path[1].isdigit():
            start, path = wanted[int(path[1])].path, path[2:]
        below = "".join(f"/{part}" for part in path)
        yield {"pointer": pointer(*start) + below, "detail": str(error["detail"])}
    if not document.get("errors"):
        where = pointer(*wanted[0].path) if wanted else ""
        yield {"pointer": where, "detail": f"is refused: {document.get('detail')}"}


def _error(path: Path, detail: str) -> Invalid:
    return Invalid(errors=[{"pointer": pointer(*path), "detail": detail}])


def _target(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _below_prefix(ctx: Context, uri: str) -> str:
    return urlsplit(uri).path.removeprefix(ctx.uris.base[2])
