"""Pages about link relations and problem types."""

from dataclasses import replace
from functools import partial

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.problems import NotFound, redirect
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import OPEN
from hyperapi.http.wsgi_response import Response
from hyperapi.representations.relations import IANA_RELATIONS
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType

RELATION = Route("relation", "/rels/<string:key>", document=True)
PROBLEM = Route("problem", "/problems/<string:key>", document=True)

_RENAMED = {"insufficient_scope": "insufficient-scope"}
"""Former names of problem types, which redirect to the current ones."""


class Meaning(Members):
    """A name and its meaning."""

    name: str
    meaning: str


class ProblemMeaning(Meaning):
    """A problem type: its meaning, and what to do."""

    title: str
    status: int


RELATION.returns = RELATION_TYPE = ResourceType(
    "Relation", Meaning, links=("up",), titled_by="name", lead="meaning", lead_has_code=True
)
PROBLEM.returns = PROBLEM_TYPE = replace(
    RELATION_TYPE, name="ProblemType", members=ProblemMeaning, titled_by="title"
)


@RELATION.get(scope=OPEN)
def get_relation(ctx: Context, key: str) -> Resource:
    """Explain a link relation."""
    meaning = ctx.state[RouteTable].relations.get(key) or IANA_RELATIONS.get(key)
    if meaning is None:
        raise NotFound
    members = {"name": key, "meaning": meaning}
    return Resource(RELATION_TYPE, RELATION.uri(ctx, key), members, {"up": ctx.uris.uri("root")})


def init_app(handler: RequestHandler) -> None:
    """Redirect the former names of problem types permanently."""
    for old, name in _RENAMED.items():
        path = PROBLEM.path.replace("<string:key>", old)
        handler.add(path, f"problem.{old}", partial(_renamed, name=name), ["GET", "HEAD"])


def _renamed(ctx: Context, name: str) -> Response:
    return redirect(PROBLEM.uri(ctx, name), 308)


@PROBLEM.get(scope=OPEN)
def get_problem(ctx: Context, key: str) -> Resource:
    """Explain a problem type."""
    for problem in ctx.state[RouteTable].problems:
        if problem.name == key:
            members = {
                "name": key,
                "title": problem.title,
                "status": problem.status,
                "meaning": problem.meaning(),
            }
            return Resource(
                PROBLEM_TYPE, PROBLEM.uri(ctx, key), members, {"up": ctx.uris.uri("root")}
            )
    raise NotFound
