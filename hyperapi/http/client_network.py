"""The address of a client, and the network that logs name instead of it."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from hyperapi.http.context import Context

_PREFIXES = {4: 24, 6: 48}
"""Bits of an address in logs: enough to locate attacks, too few to identify a person."""
_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]+|\[(?P<v6>[0-9A-Fa-f:.]+)\](:[0-9]+)?")
"""An address with the client's port, as some proxies send it."""


def client_address(ctx: Context) -> str:
    """Return the client's address, as trusted proxies report it.

    For IPv6 it is the network of 64 bits, because one subscriber can choose any address in it.
    """
    address_text: str = ctx.environ.get("REMOTE_ADDR") or ""
    if with_port := _WITH_PORT.fullmatch(address_text):
        address_text = with_port["v4"] or with_port["v6"]
    try:
        address = ip_address(address_text)
    except ValueError:
        return address_text
    if isinstance(address, IPv4Address):
        return address_text
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))


def client_network(ctx: Context) -> str | None:
    """Return the network of the client: 24 bits (IPv6: 48). None for other text."""
    address = client_address(ctx)
    try:
        bits = _PREFIXES[ip_address(address).version]
    except ValueError:
        return None
    return str(ip_network(f"{address}/{bits}", strict=False))
