"""URLs and their origins (RFC 6454), read as httpx reads them when it sends a request."""

import httpx

from hyperapi_client.errors import NotHyperapi

PORTS = 65536
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """The origin of a URL: scheme, host and port, without a port that is the scheme's default.

    :raises NotHyperapi: when no request can be sent to the URL.
    """
    parsed = parsed_url(url)
    host = parsed.raw_host.decode("ascii")
    host = f"[{host}]" if ":" in host else host
    port = "" if parsed.port in (None, _DEFAULT_PORTS[parsed.scheme]) else f":{parsed.port}"
    return f"{parsed.scheme}://{host}{port}"


def parsed_url(url: str) -> httpx.URL:
    """A URL that a request can be sent to.

    :raises NotHyperapi: for any other, and for one that names a user, whose password would take
        the place of the token.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise NotHyperapi(f"{url!r} is no URL: {error}.") from None
    if parsed.userinfo:  # not repeated: it may be a password
        raise NotHyperapi("The URL must not name a user. Sign in by name and password instead.")
    if parsed.scheme not in _DEFAULT_PORTS or not parsed.host:
        raise NotHyperapi(f"{url!r} is no URL: it must begin with https:// or http://.")
    if parsed.port is not None and not 0 < parsed.port < PORTS:
        raise NotHyperapi(f"{url!r} is no URL: ports are numbers below {PORTS}.")
    return parsed
