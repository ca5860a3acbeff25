"""Read every item of a collection once, although items change during the reading.

A cursor is a position in the sort order. An edited item may move in front of the cursor, where it
is missed, or behind it, where it comes again: without end, when each item is edited as it comes.
Therefore:

- Items that came before, or were created after the reading began, are left out. The reading ends
  with the collection, or with a page that has no other items.
- When the sort order can change, the items that changed meanwhile are read once more in order of
  creation, which never changes. So no item is missed that was there all along.
- The creation time of the newest item at the beginning bounds both, so both end.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hyperapi_client.document import State
from hyperapi_client.errors import ProblemError
from hyperapi_client.templates import expand, variables
from hyperapi_client.transport import Emit, Flow

_BY_CREATION = ("created_at", "-created_at")
_PLACES = ("cursor", "offset")
_LARGEST_PAGE = 100
_CLOCKS_DIFFER = timedelta(minutes=1)
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class CollectionReader:
    """One reading of a collection.

    :param first: the first page.
    :param at: reads a page.
    """

    def __init__(self, first: State, at: Callable[[str], Flow[State]]) -> None:
        self._first = first
        self._at = at
        self._seen: set[str] = set()
        self._newest: datetime | None = None
        search = first.links.get("search")
        self._template = search.href if search is not None and search.templated else ""
        self._asked = parse_qs(urlsplit(first.uri).query)

    def items(self) -> Flow[None]:
        """Emit each item once."""
        page = self._first
        while fresh := self._fresh(page):
            for item in fresh:
                yield Emit(item)
            following = page.links.get("next")
            if following is None:
                break
            if page is self._first:
                self._newest = yield from self._newest_now()
            page = yield from self._at(following.href)
        if page is not self._first and self._may_have_moved():
            yield from self._changed_meanwhile()

    def _fresh(self, page: State) -> list[State]:
        """Return the items of a page that did not come before and existed at the beginning."""
        fresh = [
            item
            for item in page.items or ()
            if (item.uri == page.uri or item.uri not in self._seen) and not self._is_new(item)
        ]
        self._seen.update(item.uri for item in fresh)
        return fresh

    def _is_new(self, item: State) -> bool:
        created = instant(item, "created_at")
        return self._newest is not None and created is not None and created > self._newest

    def _newest_now(self) -> Flow[datetime | None]:
        """Return the creation time of the newest item; None when it is not known."""
        if "sort" not in variables(self._template):
            return None
        try:
            found = yield from self._at(self._search(sort="-created_at", limit=1))
        except ProblemError:  # the server does not sort by creation
            return None
        times = [instant(item, "created_at") for item in found.items or ()]
        return latest(times) if times else _BEFORE_ALL

    def _may_have_moved(self) -> bool:
        sort = self._asked.get("sort", _BY_CREATION[:1])[-1]
        return (
            self._newest is not None
            and sort not in _BY_CREATION
            and not any(place in self._asked for place in _PLACES)
        )

    def _changed_meanwhile(self) -> Flow[None]:
        """Emit the items that changed since the first page and did not come yet."""
        page = yield from self._at(
            self._search(sort="created_at", limit=_LARGEST_PAGE, **self._since())
        )
        while True:
            for item in self._fresh(page):
                yield Emit(item)
            following = page.links.get("next")
            if following is None or (page.items and self._is_new(page.items[-1])):
                return
            page = yield from self._at(following.href)

    def _since(self) -> dict[str, str]:
        """Return the filter for items that changed since the first page was read. No item on that
        page changed later."""
        changed = latest(instant(item, "updated_at") for item in self._first.items or ())
        if changed is None or "updated_after" in self._asked:
            return {}
        return {"updated_after": (changed - _CLOCKS_DIFFER).isoformat()}

    def _search(self, **changes: Any) -> str:
        """Return the URI of the same search with some parameters changed."""
        names = variables(self._template)
        values = {**self._asked, **changes}
        wanted = {name: values[name] for name in names if name in values and name != "total"}
        return expand(self._template, {name: _alone(value) for name, value in wanted.items()})


def instant(item: State, name: str) -> datetime | None:
    """Return a member as an instant; None when it is not one."""
    try:
        found = datetime.fromisoformat(str(item.members.get(name)))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def latest(instants: Iterable[datetime | None]) -> datetime | None:
    """Return the latest instant; None when there is none."""
    return max((each for each in instants if each is not None), default=None)


def _alone(value: Any) -> Any:
    """Return a parameter that was given once as text, and a repeated one as a list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
