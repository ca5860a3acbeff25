"""``python -m benchmarks.tools``: the size of what a model reads of the tools of ``hyper mcp``.

A program with a model sends the list of tools with every request. The first table compares the five
tools with a tool for each operation of the OpenAPI document, as converters make them: name,
summary, and the JSON Schema of parameters and body. The second table compares results with the
representations that they come from. The third table has the CPU time of messages at the link `mcp`,
in one process and without a socket, and of the requests that their tools send.

Tokens are those of ``o200k_base``, when the package bpe-openai (which has its data) or tiktoken
(which downloads it) is there. Otherwise they are an estimate: a token for each four characters.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from time import process_time
from typing import Any

import httpx
from hyper.agent.bridge import Bridge
from hyper.agent.fitting import encoded, fitted
from hyper.agent.service import declared
from hyper.agent.tools import INSTRUCTIONS, TOOLS
from hyperapi_client import Client
from hyperapi_client.document import HAL_FORMS

from hyperapi import Settings, create_app
from hyperapi.representations.shapes import SHAPES
from hyperapi.storage import migrations

Count = Callable[[str], int]

ROOT = "http://localhost"
PASSWORD = "correct horse battery staple"
_CHARACTERS = 4
_ROUNDS, _REQUESTS = 5, 40
_METHODS = ("get", "put", "post", "patch", "delete")
_HEADERS = ("Accept", "Prefer", "If-None-Match")
"""Header parameters that converters leave to the HTTP client."""


def main() -> None:
    """Print the tables, for ``tools.md``."""
    name, count = counter()
    print(f"Tokens: {name}\n")
    with tempfile.TemporaryDirectory(prefix="hyperapi-tools-") as folder:
        url = f"sqlite:///{folder}/hyperapi.db"
        migrations.upgrade(url)
        chosen = {
            "HYPERAPI_INSTANCE": folder,
            "HYPERAPI_DATABASE_URL": url,
            "HYPERAPI_MCP": "true",
            "HYPERAPI_REQUEST_LIMIT": "",
        }
        client = furnished(create_app(Settings.read(chosen)))
        print("| tools | number | bytes | tokens |\n|---|---:|---:|---:|")
        for text, tools in lists_of_tools(client):
            number = sum(not isinstance(each, str) for each in tools)
            print(f"| {text} | {number} | {measured(tools, count)} |")
        print("\n| page of 25 tasks | bytes | tokens |\n|---|---:|---:|")
        for text, shown in results(client):
            print(f"| {text} | {measured(shown, count)} |")
        print("\n| message or request | CPU ms |\n|---|---:|")
        for text, send in messages(client):
            print(f"| {text} | {cpu(send):.1f} |")


def lists_of_tools(client: Client) -> Iterator[tuple[str, list[Any]]]:
    """Yield lists of tools to compare."""
    yield "`hyper mcp`, with its instructions", [INSTRUCTIONS, *five_tools()]
    yield "a tool for each operation", list(tools_of(document_of(client)))


def counter() -> tuple[str, Count]:
    """Return the name of a tokenizer, and a function that counts tokens."""
    for package in ("bpe_openai", "tiktoken"):
        try:
            encoding = import_module(package).get_encoding("o200k_base")
        except Exception:  # it is not installed, or cannot download its data
            continue
        return f"o200k_base, counted by {package}", partial(_tokens, encoding)
    return "an estimate, one for each four characters", lambda text: len(text) // _CHARACTERS


def _tokens(encoding: Any, text: str) -> int:
    return len(encoding.encode(text))


def measured(value: Any, count: Count) -> str:
    """Return the bytes and the tokens of a value, as cells."""
    text = value if isinstance(value, str) else encoded(value)
    return f"{len(text.encode()):,} | {count(text):,}"


def five_tools() -> list[Any]:
    """Return the tools of the command, as the protocol lists them."""
    return [
        declared(tool).model_dump(by_alias=True, exclude_none=True, mode="json")
        for tool in TOOLS.values()
    ]


def tools_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a tool for each operation of an OpenAPI document."""
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                given = [
                    *operations.get("parameters", ()),
                    *operations[method].get("parameters", ()),
                ]
                yield tool_of(operations[method], given, document, f"{method} {path}")


def tool_of(
    operation: Mapping[str, Any], parameters: list[Any], document: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """Return an operation as a tool. Its schema has no references, which few programs resolve."""
    found = [resolved(each, document) for each in parameters]
    properties = {
        each["name"]: {**each.get("schema", {}), "description": each.get("description", "")}
        for each in found
        if each["name"] not in _HEADERS
    }
    body = resolved(operation.get("requestBody", {}), document).get("content", {})
    if body:
        properties["body"] = next(iter(body.values())).get("schema", {})
    required = [each["name"] for each in found if each.get("required")] + ["body"] * bool(body)
    return {
        "name": operation.get("operationId", name),
        "description": operation.get("summary", ""),
        "inputSchema": {
            "type": "object",
            "properties": resolved(properties, document),
            "required": required,
        },
    }


def resolved(value: Any, document: Mapping[str, Any], above: tuple[str, ...] = ()) -> Any:
    """Return a value with its references replaced, each once on a path, and without examples."""
    if isinstance(value, list):
        return [resolved(each, document, above) for each in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str):
        if reference in above:
            return {}
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        return resolved(target, document, (*above, reference))
    return {
        name: resolved(each, document, above)
        for name, each in value.items()
        if name not in ("example", "examples")
    }


def furnished(app: Any) -> Client:
    """Return the client of a user with 25 tasks on a list."""
    client = Client(ROOT, transport=httpx.WSGITransport(app=app))
    client.register("ann", PASSWORD)
    client.login("ann", PASSWORD)
    tasks = client.follow("lists").submit("create", title="Groceries").follow("tasks")
    titles = ("Milk", "Call the landlord about the heating", "Invoice for March", "Dentist")
    tasks.create_many(
        [
            {"title": titles[number % 4], "due_at": f"2030-01-{number + 1:02}T09:00:00Z"}
            for number in range(25)
        ]
    )
    return client


def document_of(client: Client) -> Any:
    """Return the OpenAPI document."""
    return client.at(client.root().links["service-desc"].href).members


def results(client: Client) -> Iterator[tuple[str, str]]:
    """Yield results of tools for a page, and the page in each shape for programs."""
    bridge = Bridge(client.actions)
    yield "`search`", fitted(client.run(bridge.search("tasks", {"done": False})))
    yield "`open`, which describes the forms", fitted(client.run(bridge.open("tasks")))
    assert client.tokens is not None
    for shape in SHAPES.offered:
        if shape != "text/html":
            headers = {"Accept": shape, "Authorization": f"Bearer {client.tokens.access}"}
            yield f"`{shape}`", client._http.get(client.uri_of("tasks"), headers=headers).text


def messages(client: Client) -> Iterator[tuple[str, Callable[[], httpx.Response]]]:
    """Yield messages at the link `mcp`, and requests to compare them with."""
    token = client.derive(label="model", scope="tasks:read tasks:write").access_token
    lists, tasks = client.uri_of("lists"), client.uri_of("tasks")
    create = {"target": next(client.at(lists).items()).uri_of("tasks"), "form": "create"}
    calls: dict[str, dict[str, Any]] = {
        "`open` of the root": {"name": "open"},
        "`open` of a page of 25 tasks": {"name": "open", "arguments": {"target": "tasks"}},
        "`submit` of a new list": {
            "name": "submit",
            "arguments": {"target": "lists", "form": "create", "fields": {"title": "Work"}},
        },
        "`submit` of a new task": {
            "name": "submit",
            "arguments": {**create, "fields": {"title": "Bread"}},
        },
    }
    headers = {"Authorization": f"Bearer {token}", "Accept": HAL_FORMS}
    send = partial(client._http.request, headers=headers)
    link = client.uri_of("mcp")
    bare = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    json_only = {**headers, "Accept": "application/json"}
    post = partial(client._http.request, "POST", link, headers=json_only)
    yield "the list of tools", partial(post, json=bare)
    for text, params in calls.items():
        yield text, partial(post, json={**bare, "method": "tools/call", "params": params})
    yield "`GET` of a page of 25 tasks with forms", partial(send, "GET", tasks)
    yield "`POST` of a new list", partial(send, "POST", lists, json={"title": "Work"})


def cpu(send: Callable[[], httpx.Response]) -> float:
    """Return the CPU milliseconds of a request, the least of some rounds."""
    assert send().is_success
    rounds = []
    for _ in range(_ROUNDS):
        began = process_time()
        for _ in range(_REQUESTS):
            send()
        rounds.append((process_time() - began) / _REQUESTS * 1000)
    return min(rounds)


if __name__ == "__main__":
    main()
