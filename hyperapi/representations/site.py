"""What pages show of the service itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """The script of pages, and the URIs that it starts from.

    :param uri: of the script.
    :param root: of the root of the API.
    :param sign_in: of the resource with the forms to sign in and to refresh.
    :param register: of the resource with the form to register; empty when registration is closed.
    :param relations: of the page of a link relation, with ``{name}`` in place of its name.
    :param for_programs: the relations of the root's links that are not shown in the bar of a page,
        with spaces between them.
    """

    uri: str
    root: str
    sign_in: str
    register: str
    relations: str
    for_programs: str


@dataclass(frozen=True)
class Site:
    """The title of the service, the URI of its logo (empty without one), and the script of its
    pages; None for pages that are only read."""

    title: str = "hyperapi"
    logo: str = ""
    script: Script | None = None
