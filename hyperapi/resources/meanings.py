"""What the names mean that the service uses: its relations and its types of problem."""

from dataclasses import replace
from functools import partial

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.problems import NotFound, all_problems, redirect
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN
from hyperapi.http.wsgi_response import Response
from hyperapi.representations.relations import MEANINGS
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType

RELATION = Route("relation", "/rels/<string:key>", document=True)
PROBLEM = Route("problem", "/problems/<string:key>", document=True)

_RENAMED = {"insufficient_scope": "insufficient-scope"}
"""Problem types that had another name, which still leads to them."""


class Meaning(Members):
    """A name, and what it means, in words."""

    name: str
    meaning: str


class ProblemMeaning(Meaning):
    """A type of problem: what it means, and what to do about it."""

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
    """What a link relation means."""
    if key not in MEANINGS:
        raise NotFound
    members = {"name": key, "meaning": MEANINGS[key]}
    return Resource(RELATION_TYPE, RELATION.uri(ctx, key), members, {"up": ctx.uris.uri("root")})


def init_app(handler: RequestHandler) -> None:
    """Redirect the old names of problem types to the present ones, for good."""
    for old, name in _RENAMED.items():
        path = PROBLEM.path.replace("<string:key>", old)
        handler.add(path, f"problem.{old}", partial(_renamed, name=name), ["GET", "HEAD"])


def _renamed(ctx: Context, name: str) -> Response:
    return redirect(PROBLEM.uri(ctx, name), 308)


@PROBLEM.get(scope=OPEN)
def get_problem(ctx: Context, key: str) -> Resource:
    """What a problem type means, and what to do about it."""
    for problem in all_problems():
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
