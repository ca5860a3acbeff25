"""The root: the one URI that a client has to know."""

from collections.abc import Sequence

from hyperapi.http.about import about
from hyperapi.http.context import Context
from hyperapi.http.routes import PREFIX, Route
from hyperapi.http.scopes import PUBLIC
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Members, ResourceType

PATH = PREFIX + "/"


class RootMembers(Members):
    """The name and description of the service, and the version of its API."""

    title: str
    description: str
    version: str


def root_of(routes: Sequence[Route]) -> Route:
    """Return the root of an application with these routes, which declare the root's links."""
    linked = [each for each in routes if each.root_link]
    templated = [each for each in routes if each.root_template]
    root_type = ResourceType(
        "Root",
        RootMembers,
        links=tuple(each.root_link for each in linked),
        sometimes=("user",),
        templates=tuple(each.name for each in templated),
        titled_by="title",
        lead="description",
    )
    root = Route("root", "/", returns=root_type)

    @root.get(scope=PUBLIC)
    def get_root(ctx: Context) -> Resource:
        """The entry point of the API."""
        links = {each.root_link: each.uri(ctx) for each in linked}
        if ctx.principal_or_none is not None:
            links["user"] = ctx.uris.uri("user", ctx.principal_or_none.user)
        templates = {each.name: each.uri_template(ctx) for each in templated}
        told = about(ctx.settings)
        members = {"title": told.title, "description": told.description, "version": "1"}
        return Resource(root_type, root.uri(ctx), members, links, templates)

    return root
