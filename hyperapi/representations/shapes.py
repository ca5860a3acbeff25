"""The list of shapes. Negotiation, tags, preconditions and the OpenAPI document follow it."""

from collections.abc import Iterator

from hyperapi.representations import hal, hal_forms, html, json
from hyperapi.representations.shape import Shape


class Shapes:
    """Shapes by their media types: the default first, the richest last.

    :ivar offered: the media types of all shapes.
    :ivar documents: the media types with JSON objects, which clients may send back.
    :ivar only_by_name: the media types that no wildcard selects.
    :ivar envelope: the members that belong to a media type and not to the resource.
    """

    def __init__(self, *shapes: Shape) -> None:
        self._shapes: dict[str, Shape] = {}
        for shape in shapes:
            self.add(shape)

    def add(self, shape: Shape) -> None:
        """Add a shape as the richest one."""
        self._shapes[shape.media_type] = shape
        self._settle()

    def remove(self, shape: Shape) -> None:
        """Remove a shape."""
        del self._shapes[shape.media_type]
        self._settle()

    def __getitem__(self, media_type: str) -> Shape:
        return self._shapes[media_type]

    def __contains__(self, media_type: str) -> bool:
        return media_type in self._shapes

    def __iter__(self) -> Iterator[Shape]:
        return iter(self._shapes.values())

    def nested(self, media_type: str) -> Shape:
        """Return the shape of a nested resource: this one, or the default for text shapes."""
        return self._shapes[media_type if media_type in self.documents else self.offered[0]]

    def _settle(self) -> None:
        self.offered = tuple(self._shapes)
        self.documents = tuple(shape.media_type for shape in self if shape.schema is not None)
        self.only_by_name = tuple(shape.media_type for shape in self if shape.only_by_name)
        self.envelope = frozenset(name for shape in self for name in shape.envelope)


SHAPES = Shapes(
    json.SHAPE,
    html.SHAPE,
    hal.SHAPE,
    hal_forms.SHAPE,
)
