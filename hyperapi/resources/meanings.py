"""What the names mean that the service uses: its relations and its types of problem."""

from flask import Flask

from hyperapi.hypermedia.kind import Kind, Members
from hyperapi.hypermedia.model import MEANINGS, Resource
from hyperapi.web.problems import NotFound, all_problems
from hyperapi.web.routing import OPEN, Place
from hyperapi.web.uris import uri

RELATION = Place("relation", "/rels/<string:key>", document=True)
PROBLEM = Place("problem", "/problems/<string:key>", document=True)

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


RELATION.shows = Kind("Relation", Meaning, links=("up",))
PROBLEM.shows = Kind("ProblemType", ProblemMeaning, links=("up",))


@RELATION.on("GET", scope=OPEN)
def get_relation(key: str) -> Resource:
    """What a link relation means."""
    if key not in MEANINGS:
        raise NotFound
    members = {"name": key, "meaning": MEANINGS[key]}
    return Resource(RELATION.uri(key), members, {"up": uri("root")})


def init_app(app: Flask) -> None:
    """Redirect the old names of problem types to the present ones, for good."""
    for old, name in _RENAMED.items():
        path = PROBLEM.path.replace("<string:key>", old)
        target = PROBLEM.path.replace("<string:key>", name).lstrip("/")  # below the prefix
        app.add_url_rule(path, f"problem.{old}", redirect_to=target)


@PROBLEM.on("GET", scope=OPEN)
def get_problem(key: str) -> Resource:
    """What a problem type means, and what to do about it."""
    for problem in all_problems():
        if problem.name == key:
            members = {
                "name": key,
                "title": problem.title,
                "status": problem.status,
                "meaning": problem.meaning(),
            }
            return Resource(PROBLEM.uri(key), members, {"up": uri("root")})
    raise NotFound
