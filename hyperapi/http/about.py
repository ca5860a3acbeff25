"""What a service says about itself: its name, its description, and its logo."""

import re
from dataclasses import dataclass

from hyperapi.http.context import Context
from hyperapi.representations.page_script import ADDRESS
from hyperapi.representations.site import Script, Site
from hyperapi.settings import Settings

LOGO = "logo"
DOCS = "docs"
"""The names of the routes of the logo and of the documentation, which has the script's files."""

_MARKDOWN = re.compile(r"([\\`*_\[\]<>&])")


@dataclass(frozen=True)
class About:
    """The texts of one service.

    :ivar title: its name.
    :ivar own: the operator's description; empty without one.
    :ivar description: for the root: what it is, and where to start.
    :ivar summary: for the OpenAPI document, in one line.
    :ivar lead: the first sentences of the OpenAPI document's description (CommonMark).
    :ivar has_guide: whether the guide is about this service: it serves lists and tasks.
    :ivar has_logo: whether there is a logo.
    """

    title: str
    own: str
    description: str
    summary: str
    lead: str
    has_guide: bool
    has_logo: bool


def _texts(title: str, own: str, *, to_do: bool, has_logo: bool) -> About:
    kind, things = ("A to-do API", " for to-do lists") if to_do else ("An API", "")
    usual = (
        f"{kind} for programs. Start here, follow the links and send the forms. The link "
        "service-doc leads to the documentation for people."
    )
    return About(
        title=title,
        own=own,
        description=own or usual,
        summary=own or f"A hypermedia REST API{things}",
        lead=_MARKDOWN.sub(r"\\\1", own) or f"A hypermedia API{things}.",
        has_guide=to_do,
        has_logo=has_logo,
    )


USUAL = _texts("hyperapi", "", to_do=True, has_logo=False)
"""The texts of a service with the default settings."""


@dataclass(frozen=True)
class LinksForPrograms:
    """The relations of the root's links that lead to nothing for people, with spaces between."""

    relations: str


def about(settings: Settings) -> About:
    """Return the texts of a service with these settings."""
    return _texts(
        settings.title,
        settings.description,
        to_do=bool(settings.resources),
        has_logo=settings.logo is not None,
    )


def site_of(ctx: Context) -> Site:
    """Return what pages show of the service."""
    settings, uri = ctx.settings, ctx.uris.uri
    return Site(
        settings.title,
        "" if settings.logo is None else uri(LOGO),
        script_of(ctx) if settings.pages == "interactive" else None,
    )


def script_of(ctx: Context) -> Script:
    """Return the script of pages, and the URIs that it starts from."""
    uri = ctx.uris.uri
    return Script(
        uri=f"{uri(DOCS)}/{ADDRESS}",
        root=uri("root"),
        sign_in=uri("tokens"),
        register=uri("users") if ctx.settings.registration == "open" else "",
        relations=ctx.uris.template("relation", "name"),
        for_programs=ctx.state[LinksForPrograms].relations,
    )
