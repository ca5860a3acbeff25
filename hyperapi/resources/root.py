"""The root: the one URI that a client has to know."""

from hyperapi.http.context import Context
from hyperapi.http.routes import Route, RouteTable
from hyperapi.http.scopes import PUBLIC
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType

ROOT = Route("root", "/")


ABOUT = (
    "A to-do API for programs. Start here, follow the links and send the forms. The link "
    "service-doc leads to the documentation for people."
)


class RootMembers(Members):
    """What the service is called and does, and the version of its API."""

    title: str
    description: str
    version: str


ROOT.returns = ROOT_TYPE = ResourceType(
    "Root",
    RootMembers,
    links=("users", "tokens", "lists", "tasks", "changes", "service-desc", "service-doc"),
    sometimes=("user",),
    templates=("list", "task"),
    titled_by="title",
    lead="description",
)


@ROOT.get(scope=PUBLIC)
def get_root(ctx: Context) -> Resource:
    """Where everything begins."""
    who = ctx.principal_or_none
    links = {name: ctx.uris.uri(name) for name in ("users", "tokens", "lists", "tasks", "changes")}
    links |= {"service-desc": ctx.uris.uri("openapi"), "service-doc": ctx.uris.uri("docs")}
    links |= {each.name: each.uri(ctx) for each in ctx.state[RouteTable].routes if each.root_link}
    if who is not None:
        links["user"] = ctx.uris.uri("user", who.user)
    templates = {name: ctx.uris.template(name) for name in ("list", "task")}
    members = {"title": "hyperapi", "description": ABOUT, "version": "1"}
    return Resource(ROOT_TYPE, ROOT.uri(ctx), members, links, templates)
