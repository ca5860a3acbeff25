"""The OpenAPI document and the declared resource types: replies are as they say."""

from typing import Any

from hyperapi.http.routes import Operation
from hyperapi.representations.shapes import SHAPES
from hyperapi.testing.declared import any_operation, keyed, shows, takes_body
from hyperapi.testing.rules.rule import Rules
from hyperapi.testing.world import World

RULES = Rules()
HAL = ("application/hal+json", "application/prs.hal-forms+json")


@RULES.add(
    any_operation,
    fix="Declare what the reply has: its members and links in the ResourceType, its statuses "
    "at the operation, and each problem that the view raises (problems=...).",
)
def the_document_promises_every_reply(world: World, operation: Operation) -> None:
    """Status, headers and body of each reply are documented: of a success in every shape (of a
    DELETE in the default one), and of refusals."""
    for shape in SHAPES.offered[:1] if operation.method == "DELETE" else SHAPES.offered:
        who = world.guest(operation)
        reply = world.ask(who, operation, headers={"Accept": shape})
        assert reply.status_code < 300, reply.text
    world.ask(world.alice.without_token(), operation)
    if takes_body(operation):
        world.ask(world.alice, operation, json={"no": "such"})
    assert world.undocumented[operation.name] == []


@RULES.add(
    any_operation,
    fix="Give the view a name of its own, and a docstring that begins with a sentence.",
    protocols=True,
)
def the_document_names_the_operation(world: World, operation: Operation) -> None:
    """The document has the operation, with a sentence about it."""
    written = [
        each
        for path in world.promises.document["paths"].values()
        for each in path.values()
        if each["operationId"] == operation.name
    ]
    assert len(written) == 1
    assert operation.summary.endswith(".")
    assert written[0]["summary"]


@RULES.add(
    shows,
    fix="Return links in Resource.links alone, and name them in ResourceType(links=...).",
)
def every_shape_leads_to_the_same_places(world: World, operation: Operation) -> None:
    """HAL and HAL-FORMS have the links of the default shape."""
    plain, hal, forms = (_shown(world, operation, shape) for shape in (SHAPES.offered[0], *HAL))
    assert hal["_links"] == forms["_links"]
    for relation, link in hal["_links"].items():
        assert set(link) <= {"href", "templated"}
        name = "uri" if relation == "self" else f"{relation.replace('-', '_')}_uri"
        templated = link.get("templated") is True
        assert ("{" in link["href"]) == templated
        assert plain[f"{name}_template" if templated else name] == link["href"]


@RULES.add(
    shows,
    fix="Make items of pages with the same function as a single resource: "
    "OwnedResource.represent_all.",
)
def what_a_page_holds_is_whole(world: World, operation: Operation) -> None:
    """An item of a page, or the resource of an entry, is what a GET of it gives, in every shape."""
    for shape in (SHAPES.offered[0], *HAL):
        page, kind = _shown(world, operation, shape), operation.route.returns
        assert kind is not None
        items = []
        if kind.items is not None:
            items = page["_embedded"]["item"] if shape in HAL else page[kind.items_name]
        elif kind.entries is not None:
            items = [each["resource"] for each in page[kind.entries_name] if each["resource"]]
        assert items or not (kind.items or kind.entries), "there is nothing of what was made"
        for item in items:
            uri = item["_links"]["self"]["href"] if shape in HAL else item["uri"]
            assert world.alice.ask("GET", uri, headers={"Accept": shape}).json == item


@RULES.add(
    lambda operation: operation.method == "PUT",
    fix="Name all members that clients cannot change in Body.read_only, and compare before "
    "you write.",
)
def a_whole_document_may_be_sent_back(world: World, operation: Operation) -> None:
    """A representation, sent back in the shape it came in, changes nothing."""
    carol = world.guest(operation)
    uri = world.uri(operation.route, carol)
    for shape in (SHAPES.offered[0], *HAL):
        seen = carol.ask("GET", uri, headers={"Accept": shape})
        for content_type in (SHAPES.offered[0], shape):
            headers = {"Accept": shape, "Content-Type": content_type}
            sent = world.ask(carol, operation, uri, json=seen.json, headers=headers)
            assert sent.status_code == 200, sent.text
            assert sent.json == seen.json


@RULES.add(
    lambda operation: operation.method in ("PUT", "PATCH") and keyed(operation),
    fix="Return the representation of the row as it is after the change.",
)
def a_change_answers_what_a_get_shows(world: World, operation: Operation) -> None:
    """The reply to a change of a resource is its representation as it is then."""
    carol = world.guest(operation)
    uri = world.uri(operation.route, carol)
    changed = world.ask(carol, operation, uri)
    shown = carol.ask("GET", uri)
    kind = operation.returns or operation.route.returns
    if kind is operation.route.returns and operation.route.returns is not None:
        assert (changed.json, changed.headers["ETag"]) == (shown.json, shown.headers["ETag"])


@RULES.add(
    lambda operation: operation.method == "POST" and not operation.grants,
    fix="Return created(resource) with the resource as its GET shows it.",
)
def what_was_made_is_where_the_reply_says(world: World, operation: Operation) -> None:
    """201 has the absolute Location, an equal Content-Location, and what a GET there gives."""
    carol = world.guest(operation)
    for shape in SHAPES.offered:
        made = world.ask(carol, operation, headers={"Accept": shape})
        if made.status_code == 201:
            where = made.headers["Location"]
            assert made.headers["Content-Location"] == where
            shown = carol.ask("GET", where, headers={"Accept": shape})
            assert shown.status_code == 404 or made.data == shown.data


def _shown(world: World, operation: Operation, shape: str) -> Any:
    reply = world.ask(world.alice, operation, headers={"Accept": shape})
    assert reply.status_code == 200, reply.text
    return reply.json
