"""The faults of a sandbox that are still to come."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import MISSING, Field

from hyperapi.common.ids import new_id
from hyperapi.http.bodies import Body
from hyperapi.http.context import Context
from hyperapi.http.problems import NotFound
from hyperapi.sandbox.fault_match import Asked, Match, may_be_hit

_LONGEST = 60.0  # seconds
_MOST_SENT = 16 * 1024 * 1024  # bytes


class Fault(Body):
    """One fault: one of these members, and ``retry_after`` only beside ``status``."""

    status: Annotated[int, Field(title="Status", ge=400, le=599)] | MISSING = MISSING
    retry_after: (
        Annotated[int, Field(title="Seconds in Retry-After", ge=0, le=86_400)] | MISSING
    ) = MISSING
    delay: (
        Annotated[float, Field(title="Seconds before the request", ge=0, le=_LONGEST)] | MISSING
    ) = MISSING
    cut: (
        Annotated[Literal["before", "after"], Field(title="When the connection is cut")] | MISSING
    ) = MISSING
    slow: Annotated[float, Field(title="Seconds of the body", ge=0, le=_LONGEST)] | MISSING = (
        MISSING
    )
    truncate: (
        Annotated[int, Field(title="Bytes of the body that are sent", ge=0, le=_MOST_SENT)]
        | MISSING
    ) = MISSING
    token: Annotated[Literal["expired"], Field(title="The token")] | MISSING = MISSING
    disk: Annotated[Literal["full"], Field(title="The disk")] | MISSING = MISSING

    def may_hit(self, asked: Asked) -> bool:
        """Whether it can happen to a request: only tokens expire, and only changes fill a disk."""
        if self.token is not MISSING:
            return asked.signed
        return self.disk is MISSING or asked.changes


KINDS = tuple(name for name in Fault.model_fields if name != "retry_after")
"""The members of a fault, of which it has one."""


@dataclass(eq=False)
class PlannedFault:
    """A fault that hits the next requests that match.

    :ivar left: the number of requests that it is still to hit.
    """

    match: Match
    fault: Fault
    count: int
    left: int
    key: str = field(default_factory=new_id)


class Faults:
    """The faults of an application that are still to come, the oldest first."""

    def __init__(self) -> None:
        self._planned: dict[str, PlannedFault] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._planned)

    def __iter__(self) -> Iterator[PlannedFault]:
        with self._lock:
            return iter(list(self._planned.values()))

    def add(self, planned: PlannedFault) -> None:
        """Plan a fault."""
        with self._lock:
            self._planned[planned.key] = planned

    def find(self, key: str) -> PlannedFault:
        """Return the fault with this id.

        :raises NotFound: when there is none, or it has hit all its requests.
        """
        try:
            return self._planned[key]
        except KeyError:
            raise NotFound from None

    def remove(self, key: str) -> None:
        """Remove a fault.

        :raises NotFound: when there is none, or it has hit all its requests.
        """
        with self._lock:
            self.find(key)
            del self._planned[key]

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._planned.clear()

    def take(self, ctx: Context) -> Fault | None:
        """Return the fault that hits a request, and count it; None when none does.

        The oldest that matches hits it, and no other one.
        """
        if not self._planned or not may_be_hit(ctx):
            return None
        asked = Asked(ctx)
        fitting = [each for each in self if each.fault.may_hit(asked) and asked.fits(each.match)]
        with self._lock:
            for each in fitting:
                if each.key in self._planned:
                    each.left -= 1
                    if not each.left:
                        del self._planned[each.key]
                    return each.fault
        return None
