"""Every reply that any test is given is held to what the OpenAPI document promises about it."""

import copy
import json
import re
from functools import cache
from typing import Any

import jsonschema_rs
from flask import Flask, Response, request

from hyperapi.hypermedia.kind import shared
from hyperapi.openapi import EXAMPLES_BASE, document, problem_schema_name
from hyperapi.resources import PLACES
from hyperapi.web.problems import PROBLEM_JSON, all_problems
from hyperapi.web.promises import problems_of
from hyperapi.web.routing import Operation
from hyperapi.web.uris import base

_BY_ENDPOINT = {place.name: place for place in PLACES}
_PROBLEMS = {kind.name: kind for kind in all_problems()}
_FRAMING = {"content-type", "content-length", "date", "server", "connection"}


def hold(app: Flask, broken: list[str]) -> None:
    """Write down every promise that a reply of ``app`` breaks."""

    def check(response: Response) -> Response:
        place = _BY_ENDPOINT.get(request.url_rule.endpoint) if request.url_rule else None
        method = "GET" if request.method == "HEAD" else request.method
        operation = place.operations.get(method) if place else None
        if operation is not None:
            said = f"{request.method} {request.path} {response.status_code}"
            found = promises_broken(operation, response, _base())
            broken.extend(f"{said}: {each}" for each in found)
        return response

    # What is registered first runs last, when all headers are there.
    app.after_request_funcs.setdefault(None, []).insert(0, check)


def promises_broken(operation: Operation, response: Any, here: str) -> list[str]:
    """What the document does not promise about a reply, in words.

    :param here: the base of the URIs in it.
    """
    promised = _operation(operation)["responses"].get(str(response.status_code))
    if promised is None:
        return ["the status is not documented"]
    promised = _resolved(promised)
    found = list(_about_headers(promised.get("headers", {}), response))
    body = _body(response)
    if body:
        found += _about_body(operation, promised.get("content", {}), response, body, here)
    elif response.status_code == 204 and "content" in promised:
        found.append("a body is documented, and there is none")
    return found


def _about_headers(promised: dict[str, Any], response: Any) -> Any:
    names = {name.lower() for name in dict(response.headers)}
    known = {name.lower() for name in promised}
    for name in sorted(names - known - _FRAMING):
        if not name.startswith("access-control-"):
            yield f"the header {name} is not documented"
    for name, header in promised.items():
        if _resolved(header).get("required") and name.lower() not in names:
            yield f"the header {name} is not there"


def _about_body(
    operation: Operation, content: dict[str, Any], response: Any, body: bytes, here: str
) -> list[str]:
    media_type = response.content_type.partition(";")[0]
    if media_type not in content:
        return [f"the type {media_type} is not documented"]
    if not media_type.endswith("json"):
        return []
    text = body.decode().replace(json.dumps(here)[1:-1], EXAMPLES_BASE)
    found = json.loads(text)
    schema = content[media_type]["schema"]
    if media_type == PROBLEM_JSON:
        kind = _PROBLEMS.get(found["type"].rpartition("/")[2])
        if kind not in problems_of(operation):
            return [f"the problem {found['type']} is not documented"]
        schema = shared(problem_schema_name(kind))
        if objection := unhelpful(found["title"], found["detail"]):
            return [f"the detail of {kind.name} {objection}: {found['detail']}"]
    errors = _validator(json.dumps(schema, sort_keys=True)).iter_errors(found)
    return [f"{error.instance_path}: {error.message}"[:500] for error in errors]


_STEPS = (
    "add|ask|call|check|choose|correct|delete|end|leave|look|make|read|repeat|send|sign|start|tell|"
    "try|use|wait"
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
    return b"".join(parts) if isinstance(parts, list) else b""


def _base() -> str:
    scheme, host, prefix = base()
    return f"{scheme}://{host}{prefix}"


@cache
def written() -> dict[str, Any]:
    """The document, with the base of the examples."""
    return document(PLACES, EXAMPLES_BASE)


@cache
def _by_name() -> dict[str, Any]:
    paths = written()["paths"].values()
    return {each["operationId"]: each for path in paths for each in path.values()}


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = _by_name()[operation.name]
    return found


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the document, or what it refers to."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/", 3)
    found: dict[str, Any] = written()["components"][kind][name]
    return found


@cache
def _closed() -> dict[str, Any]:
    """The schemas, closed: a member that is not documented is a mistake here, if not to clients."""
    schemas = copy.deepcopy(written()["components"]["schemas"])
    _close(schemas)
    return {"schemas": schemas}


def _close(part: Any) -> None:
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict) and "type" in part:
            part.setdefault("additionalProperties", False)
        for inner in part.values():
            _close(inner)
    elif isinstance(part, list):
        for inner in part:
            _close(inner)


@cache
def _validator(schema: str) -> Any:
    whole = {**json.loads(schema), "components": _closed()}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
