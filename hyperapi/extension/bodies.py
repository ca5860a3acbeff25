"""Request bodies, written from the members of a representation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import MISSING, Field, GetJsonSchemaHandler, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from hyperapi.common.text import ANY_TEXT
from hyperapi.http.bodies import (
    FORM,
    JSON,
    LONGEST_URI,
    Body,
    InstantText,
    Shown,
    TextOf,
    decoded,
    media_type,
)
from hyperapi.http.context import Context
from hyperapi.representations.resource_type import Members

MOST_AT_ONCE = 1000
"""The number of resources that one request can create."""

T = TypeVar("T")


class _Marker:
    """A mark on a member, which pydantic ignores."""


_READ_ONLY = _Marker()
ReadOnly = Annotated[T, _READ_ONLY]
"""A member that a client cannot change: ``count: ReadOnly[int]``."""


@dataclass(frozen=True, slots=True)
class UriOf(TextOf):
    """The annotation of a member of a body that takes the URI of another resource:
    ``Annotated[str, UriOf("list")]``. Forms and documents have the pattern of such URIs.

    :param type: the name of the other resource's type.
    """

    type: str = ""

    def __init__(self, type: str) -> None:
        object.__setattr__(self, "type", type)
        object.__setattr__(self, "longest", LONGEST_URI)
        object.__setattr__(self, "shortest", 0)
        object.__setattr__(self, "form", "NFC")

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the JSON Schema, from which forms and documents make the pattern."""
        plain = TextOf.__get_pydantic_json_schema__(self, schema, handler)
        return {**plain, "pattern": ANY_TEXT, "format": "uri", "x-route": self.type}


@dataclass(frozen=True)
class Bodies:
    """The request bodies of one resource type.

    :param new: of a new resource.
    :param whole: the complete data of one.
    :param changes: the members to change.
    :param plural: the name of the collection, and of the member that holds several new resources.
    """

    new: type[Body]
    whole: type[Body]
    changes: type[Body]
    plural: str

    @cached_property
    def several(self) -> type[Body]:
        """Several new resources. All of them are created, or none."""
        kind: Any = list[self.new]  # type: ignore[name-defined]  # a type that is made here
        title = self.plural.capitalize()
        items = Annotated[kind, Field(title=title, max_length=MOST_AT_ONCE)]
        said = f"Several new {self.plural}. All of them are created, or none."
        name, module = f"New{camel(self.plural)}", self.new.__module__
        fields: dict[str, Any] = {self.plural: (items, ...)}
        return create_model(name, __base__=Body, __doc__=said, __module__=module, **fields)

    @cached_property
    def one_or_several(self) -> type[Body]:
        """One new resource, or in JSON several."""
        new, several, plural = self.new, self.several, self.plural

        class OneOrSeveral(Body):
            @classmethod
            def kinds(cls, media: str = JSON) -> tuple[type[Body], ...]:
                """Return the body types. Several resources require JSON."""
                return (new,) if media == FORM else (new, several)

            @classmethod
            def read(
                cls, _ctx: Context, body: bytes, content_type: str, media: tuple[str, ...], _: Shown
            ) -> Body:
                """Parse one resource, or several when there is a member named like them."""
                members = decoded(new, body, content_type, media)
                many = plural in members and media_type(content_type) != FORM
                return (several if many else new).of(members)

        return OneOrSeveral


def bodies_of(
    name: str,
    plural: str,
    members: type[Members],
    instants: frozenset[str],
    references: Mapping[str, str],
) -> Bodies:
    """Write the bodies of a resource type from the members of its representation.

    A member that is not :data:`ReadOnly` becomes a member of the bodies, with its type, limits,
    title and default.

    :param instants: the members that are instants.
    :param references: the members that are URIs of other resources, with the type of those.
    :raises TypeError: for a member without a limit.
    """
    written = {
        each: _written(f"{members.__name__}.{each}", info, each in instants, references.get(each))
        for each, info in members.model_fields.items()
        if _READ_ONLY not in info.metadata
    }
    read_only = frozenset(members.model_fields) - written.keys()
    camelled, one = camel(name), with_article(name)

    def body(name: str, said: str, base: type[Body], fields: Mapping[str, Any]) -> type[Body]:
        return create_model(
            name, __base__=base, __doc__=said, __module__=members.__module__, **fields
        )

    new = body(
        f"New{camelled}",
        f"A new {name}.",
        Body,
        {each: (written[each], _default(members.model_fields[each])) for each in written},
    )
    whole = body(f"Whole{camelled}", f"The complete data of {one}.", new, {})
    whole.read_only = read_only
    changes = body(
        f"{camelled}Changes",
        f"Changes of {one}.",
        Body,
        {each: (kind | MISSING, MISSING) for each, kind in written.items()},
    )
    return Bodies(new, whole, changes, plural)


def camel(name: str) -> str:
    """Return a name of lower-case words in camel case: ``reading_list`` is ``ReadingList``."""
    return "".join(word.capitalize() for word in name.replace("-", "_").split("_"))


def with_article(name: str) -> str:
    """Return a name with its indefinite article."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _default(info: FieldInfo) -> Any:
    return ... if info.is_required() else info.get_default(call_default_factory=True)


def _written(where: str, info: FieldInfo, instant: bool, reference: str | None) -> Any:
    """Return the type of a member of a body, with its limits and its title.

    :raises TypeError: when a part of it has no limit.
    """
    optional = type(None) in get_args(info.annotation)
    if reference is not None:
        return _titled(_or_null(Annotated[str, UriOf(reference)], optional), info)
    if instant:
        return _titled(_or_null(InstantText, optional), info)
    extra = Field(json_schema_extra=info.json_schema_extra)
    whole = _titled(info.annotation, info, *info.metadata, extra)
    for kind, metadata in _parts(whole):
        _require_limits(where, kind, metadata)
    return whole


def _or_null(kind: Any, optional: bool) -> Any:
    return kind | None if optional else kind


def _titled(kind: Any, info: FieldInfo, *metadata: Any) -> Any:
    """Return a type with annotations, and with the title of a member."""
    title = Field(title=info.title)
    for each in (*metadata, title):
        kind = Annotated[kind, each]
    return kind


def _parts(kind: Any, metadata: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield the types that a type consists of, each with its annotations."""
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *more = get_args(kind)
        yield from _parts(inner, (*more, *metadata))
    elif origin in (Union, UnionType):
        for each in get_args(kind):
            yield from _parts(each, metadata)
    elif origin in (list, dict, tuple, set):
        for each in get_args(kind):
            yield from _parts(each)
    else:
        yield kind, metadata


_VALIDATES = "__get_pydantic_core_schema__"
"""What an annotation has that is a validator, such as TextOf."""


def _require_limits(where: str, kind: Any, metadata: tuple[Any, ...]) -> None:
    """Require that what a client sends has limits that the database can store.

    :raises TypeError: when it has none.
    """
    if kind is str:
        flat = list(_flat(metadata))
        limits = [at for at, each in enumerate(flat) if hasattr(each, _VALIDATES)]
        if not limits:
            raise TypeError(f"{where} needs TextOf(longest), so that every text can be stored")
        if any(getattr(each, "pattern", None) for each in flat[limits[-1] :]):
            raise TypeError(
                f"{where} has a pattern after TextOf, which forms and documents do not show. Write "
                "Annotated[str, Field(pattern=...), TextOf(...)]."
            )
    if kind is int:
        lower = any(isinstance(each, Ge | Gt) for each in _flat(metadata))
        upper = any(isinstance(each, Le | Lt) for each in _flat(metadata))
        if not (lower and upper):
            raise TypeError(f"{where} needs Field(ge=..., le=...), so that it can be stored")


def _flat(metadata: tuple[Any, ...]) -> Iterator[Any]:
    for each in metadata:
        yield from each.metadata if isinstance(each, FieldInfo) else (each,)
