"""Sign-in members of the request log: action, outcome, client network and user."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

from hyperapi.http.context import Context
from hyperapi.http.problems import Problem
from hyperapi.middleware.rate_limit import client_address

_PREFIXES = {4: 24, 6: 48}
"""Bits of an address in the log: enough to locate attacks, too few to identify a person."""


@contextmanager
def logged(ctx: Context, action: str) -> Iterator[None]:
    """Log what is tried, the client's network, and the outcome of the block."""
    told: dict[str, Any] = {"action": action, "network": network_of(client_address(ctx))}
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


def network_of(address: str) -> str | None:
    """Return the network of an address: 24 bits (IPv6: 48). None for other text."""
    try:
        bits = _PREFIXES[ip_address(address).version]
    except ValueError:
        return None
    return str(ip_network(f"{address}/{bits}", strict=False))
