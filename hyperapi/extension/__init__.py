"""The public interface for packages that add resources (``docs/extending.md``).

Import everything from here. Other modules of hyperapi may change without notice.
"""

from hyperapi.extension.bodies import Bodies, ReadOnly, UriOf
from hyperapi.extension.bulk import InUse
from hyperapi.extension.bulk_form import BulkForm
from hyperapi.extension.collection import COUNT, page_of
from hyperapi.extension.commands import read_as, with_state, write_as
from hyperapi.extension.conversions import Choice, Lines
from hyperapi.extension.declaration import OwnedMembers
from hyperapi.extension.extension import Extension
from hyperapi.extension.order import Order
from hyperapi.extension.owned import OwnedResource
from hyperapi.extension.references import Reference
from hyperapi.extension.standard import standard_operations
from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body, InstantText, TextOf
from hyperapi.http.context import Context
from hyperapi.http.forms import FormSpec, offers
from hyperapi.http.problems import NotFound, Problem, TooManySelected, invalid
from hyperapi.http.responses import Reply, created, no_content
from hyperapi.http.routes import Route
from hyperapi.http.scopes import OPEN, PUBLIC, SIGNED_IN, Scope
from hyperapi.querying import filters
from hyperapi.querying.page import Listing
from hyperapi.querying.query_string import Query, Sort
from hyperapi.querying.selection import Selection
from hyperapi.representations.resource import Resource
from hyperapi.representations.resource_type import Count, Instant, Members, ResourceType, Uri
from hyperapi.state import AppState
from hyperapi.storage.database import Database, Statement, Transaction
from hyperapi.storage.list_binding import REFUSED, VISIBLE, by_list_column
from hyperapi.storage.models import Folded, Key, OwnedRow, page_indexes
from hyperapi.storage.models import Instant as InstantColumn
from hyperapi.storage.row_scope import RowScope, owned
from hyperapi.storage.text_index import create_text_index, drop_text_index

__all__ = [
    "COUNT",
    "FORM",
    "JSON",
    "MERGE_PATCH",
    "OPEN",
    "PUBLIC",
    "REFUSED",
    "SIGNED_IN",
    "VISIBLE",
    "AppState",
    "Bodies",
    "Body",
    "BulkForm",
    "Choice",
    "Context",
    "Count",
    "Database",
    "Extension",
    "Folded",
    "FormSpec",
    "InUse",
    "Instant",
    "InstantColumn",
    "InstantText",
    "Key",
    "Lines",
    "Listing",
    "Members",
    "NotFound",
    "Order",
    "OwnedMembers",
    "OwnedResource",
    "OwnedRow",
    "Problem",
    "Query",
    "ReadOnly",
    "Reference",
    "Reply",
    "Resource",
    "ResourceType",
    "Route",
    "RowScope",
    "Scope",
    "Selection",
    "Sort",
    "Statement",
    "TextOf",
    "TooManySelected",
    "Transaction",
    "Uri",
    "UriOf",
    "by_list_column",
    "create_text_index",
    "created",
    "drop_text_index",
    "filters",
    "invalid",
    "no_content",
    "offers",
    "owned",
    "page_indexes",
    "page_of",
    "read_as",
    "standard_operations",
    "with_state",
    "write_as",
]
