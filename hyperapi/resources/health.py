"""Is the service alive, and can it serve? For those who run it."""

from sqlalchemy import select

from hyperapi.db import Busy, Statement
from hyperapi.hypermedia.kind import Kind, Members
from hyperapi.hypermedia.model import Resource
from hyperapi.models import User
from hyperapi.web.routing import OPEN, Place

_ANY_USER = Statement(select(User.key).limit(1))

LIVE = Place("live", "/health/live", prefix="")
READY = Place("ready", "/health/ready", prefix="")


class HealthMembers(Members):
    """How the service is."""

    status: str


LIVE.shows = READY.shows = Kind("Health", HealthMembers)


@LIVE.on("GET", scope=OPEN)
def get_live() -> Resource:
    """The process answers."""
    return Resource(LIVE.uri(), {"status": "alive"})


@READY.on("GET", scope=OPEN)
def get_ready() -> Resource:
    """The database answers, and has the tables that are asked of it; otherwise 503."""
    try:
        _ANY_USER.rows({})
    except Exception as error:  # every driver has failures of its own
        raise Busy(f"not ready: {error}") from error
    return Resource(READY.uri(), {"status": "ready"})
