"""Mistakes of extensions that are errors at import or at start. Each says what to do."""

from itertools import count
from typing import Annotated, Any, cast

import pytest
from pydantic import Field
from sqlalchemy import ForeignKeyConstraint, Index, MetaData, Text
from sqlalchemy.orm import mapped_column

from hyperapi import Settings, create_app
from hyperapi.extension import (
    VISIBLE,
    Context,
    Extension,
    Key,
    OwnedMembers,
    OwnedResource,
    OwnedRow,
    Problem,
    Reference,
    Resource,
    Route,
    Scope,
    Sort,
    TextOf,
    Uri,
    by_list_column,
    filters,
    standard_operations,
)
from hyperapi.http.routes import RouteTable
from hyperapi.http.scopes import ACCOUNT, OPEN, SIGNED_IN
from hyperapi.settings import SettingsError
from hyperapi.storage.models import TaskList
from hyperapi.storage.row_scope import Model, table_of
from tests.conftest import SECRET_KEY

READ = Scope("pages:read", "read pages")
WRITE = Scope("pages:write", "read and change pages", includes=[READ])


class PageMembers(OwnedMembers):
    """A page."""

    text: Annotated[str, TextOf(50, 1), Field(title="Text")]


class LinkedMembers(PageMembers):
    """A page on a list."""

    list_uri: Uri | None = None


def model(table: str, ondelete: str | None = None) -> Model:
    """A table of pages, each of which may refer to a list."""
    to_list = ForeignKeyConstraint(
        ["owner", "list"], [TaskList.owner, TaskList.key], ondelete=ondelete
    )
    indexed = (to_list, Index(None, "owner", "list"))
    return _model(table, list=mapped_column(Key, nullable=True), __table_args__=indexed)


def plain(table: str, **more: Any) -> Model:
    """A table of pages with metadata of its own."""
    metadata = MetaData(naming_convention=OwnedRow.metadata.naming_convention)
    return _model(table, metadata=metadata, **more)


_numbers = count(1)


def _model(table: str, **more: Any) -> Model:
    declared = {"__module__": __name__, "__tablename__": table, "list_binding": VISIBLE, **more}
    text = mapped_column(Text, nullable=False)
    return cast(Model, type(f"Page{next(_numbers)}", (OwnedRow,), {"text": text, **declared}))


def resource(of: Model, name: str, **more: Any) -> OwnedResource:
    """Pages."""
    return OwnedResource(
        of,
        more.pop("members", PageMembers),
        one=(name, f"As a template: the {name} with the given UUID."),
        many=(f"{name}s", f"Your {name}s, in pages."),
        titled_by="text",
        **{"filters": {}, **more},
    )


def start(tmp_path: Any, *extensions: Extension) -> None:
    """Start a service with extensions."""
    chosen = {"HYPERAPI_INSTANCE": str(tmp_path), "HYPERAPI_SECRET_KEYS": SECRET_KEY}
    create_app(Settings.read(chosen), extensions=extensions)


# -- scopes


def test_a_scope_needs_a_meaning() -> None:
    with pytest.raises(ValueError, match='pages:look needs a meaning, which continues "This token'):
        Scope("pages:look", " ")


def test_a_scope_for_reading_includes_no_other() -> None:
    with pytest.raises(ValueError, match="leaves:read includes pages:write, which permits more"):
        Scope("leaves:read", "read leaves", includes=[WRITE])


def test_a_scope_for_reading_permits_no_change() -> None:
    with pytest.raises(ValueError, match=r"may change data, and pages:read only reads. Declare a"):
        standard_operations(resource(plain("pages_a"), "sheet"), read=READ, write=READ)


# -- names


def view(name: str) -> Any:
    """A view of a name."""

    def get(_ctx: Context) -> Resource:
        raise NotImplementedError

    get.__name__, get.__doc__ = name, "Get it."
    return get


def test_names_are_unique_among_routes_paths_operations_scopes_and_problems() -> None:
    def routes(*named: tuple[str, str, str, Scope]) -> list[Route]:
        made = []
        for name, path, operation, scope in named:
            route = Route(name, path, refused_when_bound=True)
            route.get(scope=scope)(view(operation))
            made.append(route)
        return made

    class One(Problem):
        """It is odd. Do another thing."""

        name, status, title, advice = "odd", 409, "It is odd", "Do another thing."

    class Two(One):
        """It is odd as well. Do another thing."""

        name = "odd"

    first = ("a", "/a", "get_a", READ)
    for other, what in (
        (("a", "/b", "get_b", READ), "route a"),
        (("b", "/a", "get_b", READ), "path /api/v1/a"),
        (("b", "/b", "get_a", READ), "operation get_a"),
        (("b", "/b", "get_b", Scope("pages:read", "read other pages")), "scope pages:read"),
    ):
        with pytest.raises(ValueError, match=f"There are two of the {what}. Rename one of them."):
            RouteTable(routes(first, other))
    with pytest.raises(ValueError, match=r"There are two of the problem type odd. Rename one"):
        RouteTable(routes(first), problems=[One, Two])


def test_extensions_whose_names_collide_are_refused_in_one_line(tmp_path: Any) -> None:
    one = Extension(name="one", resources=[resource(plain("pages_b"), "leaf")])
    other = Extension(name="other", routes=[Route("leaf", "/leaves")])
    with pytest.raises(SettingsError, match="one, other cannot be served together: There are two"):
        start(tmp_path, one, other)


def test_a_filter_takes_the_uris_of_a_route_that_is_there(tmp_path: Any) -> None:
    table = plain("pages_g")
    on = filters.by_uri(table_of(table).c.text, "lst", "pages of this list")
    pages = resource(table, "blade", filters={"list": on})
    standard_operations(pages, read=READ, write=WRITE)
    with pytest.raises(SettingsError, match="The filter list of get_blades takes the URIs of lst"):
        start(tmp_path, Extension(name="one", resources=[pages]))


def test_a_route_declares_what_list_bound_tokens_may_do() -> None:
    route = Route("leaves", "/leaves")
    for scope in (READ, SIGNED_IN):
        with pytest.raises(ValueError, match=r"GET /leaves does not declare .* list-bound token"):
            route.get(scope=scope)(view("get_leaves"))
    route.get(scope=OPEN)(view("get_leaves"))
    route.post(scope=ACCOUNT)(view("make_leaf"))
    route.delete(scope=WRITE, refused_when_bound=False)(view("delete_leaves"))
    assert not route.operations["DELETE"].refused_when_bound
    refused = Route("trees", "/trees", refused_when_bound=True)
    refused.get(scope=READ, refused_when_bound=False)(view("get_trees"))
    assert refused.operations["GET"].refused_when_bound


def test_a_relation_has_one_meaning(tmp_path: Any) -> None:
    with pytest.raises(SettingsError, match=r"The relation next has a meaning already.*Choose an"):
        start(tmp_path, Extension(name="one", relations={"next": "The page after this one."}))


# -- tables


def test_a_table_of_the_service_is_not_taken() -> None:
    with pytest.raises(
        TypeError, match=r"Page\d+ has the table tasks, which another model has too"
    ):
        model("tasks")


def test_two_models_with_metadata_of_their_own_have_two_tables(tmp_path: Any) -> None:
    for names in (("tasks",), ("pages_c", "pages_c")):
        models = [plain(name) for name in names]
        with pytest.raises(SettingsError, match=f"two models have the table {names[0]}. Choose an"):
            start(tmp_path, Extension(name="one", models=models))


def test_a_table_of_no_resource_says_what_deletions_do(tmp_path: Any) -> None:
    with pytest.raises(SettingsError, match=r"pages_d \(owner, list\) refers to lists without ond"):
        start(tmp_path, Extension(name="one", models=[model("pages_d")]))
    OwnedRow.metadata.remove(cast(Any, OwnedRow.metadata.tables["pages_d"]))


@pytest.mark.parametrize(
    ("declared", "ondelete"),
    [("restrict", "CASCADE"), ("clear", "CASCADE"), ("cascade", "SET NULL")],
)
def test_the_database_does_what_a_reference_declares(declared: Any, ondelete: str) -> None:
    table = f"pages_{declared}"
    made = model(table, ondelete)
    try:
        with pytest.raises(ValueError, match=f'{table}.list has on_delete="{declared}" and a fore'):
            resource(
                made,
                "scrap",
                members=LinkedMembers,
                conversions={"list_uri": Reference("list", on_delete=declared)},
            )
    finally:
        OwnedRow.metadata.remove(cast(Any, OwnedRow.metadata.tables[table]))


def test_a_reference_needs_on_delete_and_a_foreign_key_a_reference() -> None:
    with pytest.raises(TypeError, match="on_delete"):
        Reference("list")  # type: ignore[call-arg]
    made = model("pages_e")
    try:
        with pytest.raises(ValueError, match=r"pages_e.list refers to other rows. Declare what"):
            resource(made, "scrap")
    finally:
        OwnedRow.metadata.remove(cast(Any, OwnedRow.metadata.tables["pages_e"]))


def test_a_row_that_a_list_binds_is_never_without_its_list() -> None:
    pages = _model(
        "pages_f",
        metadata=MetaData(),
        list=mapped_column(Key, nullable=True),
        list_binding=by_list_column("list"),
    )
    with pytest.raises(ValueError, match=r"pages_f\.list binds rows to their list, so it is never"):
        resource(pages, "strip")


@pytest.mark.parametrize(
    ("members", "declared", "told"),
    [
        (PageMembers, {"titled_by": "nam"}, "titled_by of mistake is nam. Its members: .*text"),
        (PageMembers, {"titled_by": "text", "lead": "nam"}, "lead of mistake is nam"),
        (
            LinkedMembers,
            {"titled_by": "text"},
            "the member list_uri has no column mistakes.list_uri",
        ),
        (
            PageMembers,
            {"titled_by": "text", "sorts": {"text": Sort("text")}},
            "the sort text needs a column",
        ),
    ],
)
def test_what_a_declaration_names_is_there(
    members: type[OwnedMembers], declared: dict[str, Any], told: str
) -> None:
    name = f"mistake_{next(_numbers)}"
    with pytest.raises(ValueError, match=told.replace("mistake", name)):
        OwnedResource(
            plain(name + "s"),
            members,
            one=(name, "."),
            many=(name + "s", "."),
            filters={},
            **declared,
        )
