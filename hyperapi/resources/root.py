"""The root: the one URI that a client has to know."""

from flask import current_app

from hyperapi.auth.guard import asker_or_none
from hyperapi.hypermedia.kind import Kind, Members
from hyperapi.hypermedia.model import Resource
from hyperapi.web.routing import PUBLIC, Place
from hyperapi.web.uris import uri, uri_template

ROOT = Place("root", "/")


ABOUT = (
    "A to-do service for programs, which use it by following links and sending forms, from here "
    "on. What people need to know of it is behind the link service-doc."
)


class RootMembers(Members):
    """What the service is called and does, and the version of its API."""

    title: str
    description: str
    version: str


ROOT.shows = Kind(
    "Root",
    RootMembers,
    links=("users", "tokens", "lists", "tasks", "changes", "service-desc", "service-doc"),
    sometimes=("user",),
    templates=("list", "task"),
)


@ROOT.on("GET", scope=PUBLIC)
def get_root() -> Resource:
    """Where everything begins."""
    who = asker_or_none()
    links = {name: uri(name) for name in ("users", "tokens", "lists", "tasks", "changes")}
    links |= {"service-desc": uri("openapi"), "service-doc": uri("docs")}
    links |= {name: uri(name) for name in current_app.extensions.get("hyperapi.root_links", ())}
    if who is not None:
        links["user"] = uri("user", who.user)
    templates = {name: uri_template(name) for name in ("list", "task")}
    members = {"title": "hyperapi", "description": ABOUT, "version": "1"}
    return Resource(ROOT.uri(), members, links, templates)
