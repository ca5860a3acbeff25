"""Sign-in members of the request log: action, outcome, client network and user."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hyperapi.http.client_network import client_network
from hyperapi.http.context import Context
from hyperapi.http.problems import Problem


@contextmanager
def logged(ctx: Context, action: str) -> Iterator[None]:
    """Log what is tried, the client's network, and the outcome of the block."""
    told: dict[str, Any] = {"action": action, "network": client_network(ctx)}
    ctx.logged = told
    try:
        yield
    except Problem as problem:
        told["outcome"] = problem.name
        raise
    told["outcome"] = "success"


def log_user(ctx: Context, key: str) -> None:
    """Log the user that the sign-in concerns."""
    if ctx.logged is not None:
        ctx.logged["user"] = key
