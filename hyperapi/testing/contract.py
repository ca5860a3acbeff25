"""Every reply that any test is given is held to what the OpenAPI document promises about it."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache, lru_cache
from typing import Any

import jsonschema_rs
from flask import Flask
from werkzeug.wrappers import Response as WerkzeugResponse

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.openapi import EXAMPLES_BASE, document, problem_schema_name
from hyperapi.http.problems import PROBLEM_JSON
from hyperapi.http.routes import Declaration, Operation, RouteTable
from hyperapi.http.wsgi_response import Response
from hyperapi.representations.resource_type import shared
from hyperapi.state import state_of
from hyperapi.testing.replies import decoded

_FRAMING = {"content-type", "content-length", "date", "server", "connection"}


def hold(app: Flask, broken: list[str]) -> None:
    """Write down every promise that a reply of ``app`` breaks."""
    table = state_of(app)[RouteTable]
    by_rule = {route.path: route for route in table.routes}
    promised = cache(promises_of)  # comparing all declarations takes longer than most requests

    def check(ctx: Context, response: Response) -> Response:
        route = by_rule.get(ctx.rule or "")
        operation = (
            route.operations.get("GET" if ctx.method == "HEAD" else ctx.method) if route else None
        )
        if operation is not None:
            said = f"{ctx.method} {ctx.path} {response.status}"
            scheme, host, prefix = ctx.uris.base
            base = f"{scheme}://{host}{prefix}"
            found = promised(table).broken(operation, as_received(response), base)
            broken.extend(f"{said}: {each}" for each in found)
        return response

    state_of(app)[RequestHandler].after.append(check)  # when all headers are there


def as_received(response: Response) -> WerkzeugResponse:
    """A response as clients of tests see it; of a stream, nothing but its head."""
    return WerkzeugResponse(response.body or None, response.status, response.headers)


class Promises:
    """What the OpenAPI document of a service promises.

    :param base: scheme, host and prefix of the URIs in the document.
    """

    def __init__(self, document: dict[str, Any], base: str) -> None:
        self.document, self._base = document, base
        paths = self.document["paths"].values()
        self._by_name = {each["operationId"]: each for path in paths for each in path.values()}
        self._schemas = copy.deepcopy(self.document["components"]["schemas"])
        _close(self._schemas)
        self._validator = lru_cache(maxsize=None)(self._build_validator)

    def broken(self, operation: Operation, response: Any, here: str) -> list[str]:
        """Return what the document does not promise about a reply, as sentences.

        :param here: the base of the URIs in it.
        """
        promised = self._by_name[operation.name]["responses"].get(str(response.status_code))
        if promised is None:
            return ["the status is not documented"]
        problems = _problems_in(promised)
        promised = self._resolved(promised)
        found = list(self._about_headers(promised.get("headers", {}), response))
        body = _body(response)
        if body:
            content = promised.get("content", {})
            found += self._about_body(problems, content, response, body, here)
        elif response.status_code == 204 and "content" in promised:
            found.append("a body is documented, and there is none")
        return found

    def _about_headers(self, promised: dict[str, Any], response: Any) -> Iterator[str]:
        names = {name.lower() for name in dict(response.headers)}
        known = {name.lower() for name in promised}
        for name in sorted(names - known - _FRAMING):
            if not name.startswith("access-control-"):
                yield f"the header {name} is not documented"
        for name, header in promised.items():
            if self._resolved(header).get("required") and name.lower() not in names:
                yield f"the header {name} is not there"

    def _about_body(
        self,
        problems: list[str],
        content: dict[str, Any],
        response: Any,
        body: bytes,
        here: str,
    ) -> list[str]:
        media_type = response.content_type.partition(";")[0]
        if media_type not in content:
            return [f"the type {media_type} is not documented"]
        if not media_type.endswith("json"):
            return []
        text = body.decode().replace(json.dumps(here)[1:-1], self._base)
        found = json.loads(text)
        schema = content[media_type]["schema"]
        if media_type == PROBLEM_JSON:
            name = found["type"].rpartition("/")[2]
            if name not in problems:
                return [f"the problem {found['type']} is not documented"]
            schema = shared(problem_schema_name(name))
            if objection := unhelpful(found["title"], found["detail"]):
                return [f"the detail of {name} {objection}: {found['detail']}"]
        errors = self._validator(json.dumps(schema, sort_keys=True)).iter_errors(found)
        return [f"{error.instance_path}: {error.message}"[:500] for error in errors]

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        """A part of the document, or what it refers to."""
        if "$ref" not in part:
            return part
        _, _, kind, name = part["$ref"].split("/", 3)
        found: dict[str, Any] = self.document["components"][kind][name]
        return found

    def _build_validator(self, schema: str) -> Any:
        whole = {**json.loads(schema), "components": {"schemas": self._schemas}}
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def _problems_in(promised: dict[str, Any]) -> list[str]:
    """The names of the problems that a shared response is named after."""
    name = str(promised.get("$ref", "")).rpartition("/")[2]
    return list(name.split(".")[1:])


PROMISES: dict[tuple[Any, ...], Promises] = {}
"""The last ones that were written; each takes some megabytes."""
_MOST_PROMISES = 4


def promises_of(routes: RouteTable) -> Promises:
    """What the OpenAPI document of some routes promises. Applications with the same routes share
    it, since it takes a tenth of a second to write."""
    declared = tuple(map(_declared, routes.operations()))
    if declared not in PROMISES:
        if len(PROMISES) == _MOST_PROMISES:
            PROMISES.pop(next(iter(PROMISES)))
        PROMISES[declared] = Promises(document(routes, EXAMPLES_BASE), EXAMPLES_BASE)
    return PROMISES[declared]


def _declared(operation: Operation) -> tuple[Any, ...]:
    """All that decides what the document says about an operation."""
    said = (getattr(operation, each.name) for each in fields(Declaration))
    route = operation.route
    return (route.path, route.returns, operation.method, operation.name, operation.summary, *said)


_STEPS = (
    "add|ask|call|change|check|choose|correct|delete|end|follow|leave|look|make|read|remove|rename|"
    "repeat|replace|select|send|set|shorten|sign|start|tell|try|use|wait|write"
)
_A_STEP = re.compile(rf"(?:^|[.:;,] (?:or |and )?)(?:{_STEPS})\b", re.IGNORECASE)


def unhelpful(title: str, detail: str) -> str:
    """What keeps a problem's detail from being of use; empty when nothing does."""
    if _words(title) in _words(detail):
        return "repeats its title"
    if not detail.endswith("."):
        return "is no sentence"
    return "" if _A_STEP.search(detail) else "says nothing of what to do next"


def _words(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.lower()))


def _body(response: Any) -> bytes:
    """What the reply holds, where it is there at once; a stream is let go by."""
    parts = getattr(response, "response", None)
    body = b"".join(parts) if isinstance(parts, list) else b""
    return decoded(body, response.headers.get("Content-Encoding"))


def _close(part: Any) -> None:
    """Close schemas: a member that is not documented is a mistake here, if not to clients."""
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict) and "type" in part:
            part.setdefault("additionalProperties", False)
        for inner in part.values():
            _close(inner)
    elif isinstance(part, list):
        for inner in part:
            _close(inner)
