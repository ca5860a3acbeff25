"""URLs and their origins (RFC 6454), parsed as httpx does when it sends a request."""

import httpx

from hyperapi_client.errors import NotHyperapi

PORTS = 65536
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Return the origin of a URL: scheme, host and port, without the scheme's default port.

    :raises NotHyperapi: when no request can be sent to the URL.
    """
    parsed = parsed_url(url)
    host = parsed.raw_host.decode("ascii")
    host = f"[{host}]" if ":" in host else host
    port = "" if parsed.port in (None, _DEFAULT_PORTS[parsed.scheme]) else f":{parsed.port}"
    return f"{parsed.scheme}://{host}{port}"


def parsed_url(url: str) -> httpx.URL:
    """Parse a URL that a request can be sent to.

    :raises NotHyperapi: for any other URL, and for one with user information, whose password would
        replace the token.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise NotHyperapi(f"{url!r} is not a URL: {error}.") from None
    if parsed.userinfo:  # do not print it: it may hold a password
        raise NotHyperapi("The URL must not name a user. Sign in by name and password instead.")
    if parsed.scheme not in _DEFAULT_PORTS or not parsed.host:
        raise NotHyperapi(f"{url!r} is not a URL: it must begin with https:// or http://.")
    if parsed.port is not None and not 0 < parsed.port < PORTS:
        raise NotHyperapi(f"{url!r} is not a URL: ports are numbers below {PORTS}.")
    return parsed
