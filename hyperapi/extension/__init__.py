"""The public interface for packages that add resources (``docs/extending.md``).

Import everything from here. Other modules of hyperapi may change without notice.
"""

from hyperapi.extension.commands import with_state
from hyperapi.extension.conversions import Choice, Lines, Reference
from hyperapi.extension.extension import Extension
from hyperapi.extension.owned import (
    REFUSED,
    VISIBLE,
    OwnedMembers,
    OwnedResource,
    by_list_column,
)
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, InstantText, TextOf
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec
from hyperapi.http.problems import NotFound, Problem, invalid
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN, PUBLIC, SIGNED_IN, Scope
from hyperapi.querying import filters
from hyperapi.querying.query_string import Query, Sort
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Count, Instant, Members, ResourceType, Uri
from hyperapi.state import AppState
from hyperapi.storage.database import Database, Statement, Transaction
from hyperapi.storage.models import Folded, Key, OwnedRow
from hyperapi.storage.models import Instant as InstantColumn

__all__ = [
    "FORM",
    "JSON",
    "MERGE_PATCH",
    "OPEN",
    "PUBLIC",
    "REFUSED",
    "SIGNED_IN",
    "VISIBLE",
    "AppState",
    "Body",
    "Choice",
    "Context",
    "Count",
    "Database",
    "Extension",
    "Folded",
    "FormSpec",
    "Instant",
    "InstantColumn",
    "InstantText",
    "Key",
    "Lines",
    "Members",
    "NotFound",
    "OwnedMembers",
    "OwnedResource",
    "OwnedRow",
    "Problem",
    "Query",
    "Reference",
    "Reply",
    "Resource",
    "ResourceType",
    "Route",
    "Scope",
    "Sort",
    "Statement",
    "TextOf",
    "Transaction",
    "Uri",
    "by_list_column",
    "created",
    "filters",
    "invalid",
    "no_content",
    "with_state",
]
