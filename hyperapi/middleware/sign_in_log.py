"""What the log line of a request tells about signing in: action, outcome, client network, user."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

from hyperapi.http.context import Context
from hyperapi.http.problems import Problem
from hyperapi.middleware.rate_limit import client_address

_PREFIXES = {4: 24, 6: 48}
"""Bits of an address that are logged: enough to see where attacks come from, not who did."""


@contextmanager
def logged(ctx: Context, action: str) -> Iterator[None]:
    """Have the line of the request under way tell what is tried, from where, and how it ends."""
    told: dict[str, Any] = {"action": action, "network": network_of(client_address(ctx))}
    ctx.logged = told
    try:
        yield
    except Problem as problem:
        told["outcome"] = problem.name
        raise
    told["outcome"] = "success"


def log_user(ctx: Context, key: str) -> None:
    """Have the line tell whose account it is about, where that is known."""
    if ctx.logged is not None:
        ctx.logged["user"] = key


def network_of(address: str) -> str | None:
    """The network of 24 bits (IPv6: 48) that an address is in; None for what is no address."""
    try:
        bits = _PREFIXES[ip_address(address).version]
    except ValueError:
        return None
    return str(ip_network(f"{address}/{bits}", strict=False))
