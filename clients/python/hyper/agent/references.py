"""URIs as a model reads and writes them: relative to the root of the API (RFC 3986 §4.2)."""

import re
from urllib.parse import urljoin

from hyperapi_client import ClientError, NotHyperapi
from hyperapi_client.origins import origin_of, parsed_url

_SEGMENTS = re.compile(r"[/\\]")
_SHOWN = 200


class OutsideTheApi(ClientError):
    """A reference leads out of the API. Nothing was sent."""


class References:
    """Converts URIs of one API.

    :param root: the URI of its root.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._origin = origin_of(root)
        self._path = parsed_url(root).path.rstrip("/") + "/"

    def short(self, uri: str) -> str:
        """Return a URI relative to the root. A URI that is not below the root stays as it is."""
        below = uri.removeprefix(self.root) or "."
        return below if below != uri and urljoin(self.root, below) == uri else uri

    def resolve(self, reference: str) -> str:
        """Return the absolute URI of a reference.

        A text that somebody wrote into a task can tell a model to open any URI. So this accepts
        URIs of this API only, and not those of other programs at the same origin.

        :raises OutsideTheApi: for any other URI.
        """
        try:
            uri = urljoin(self.root, reference.strip())
            inside = origin_of(uri) == self._origin and self._is_below(parsed_url(uri).path)
        except (ValueError, NotHyperapi):
            inside = False
        if not inside:
            raise OutsideTheApi(
                f"{reference[:_SHOWN]!r} is not in this API: its URIs begin with {self.root}. "
                "Nothing was sent."
            )
        return uri

    def _is_below(self, path: str) -> bool:
        """Tell whether a decoded path is below the root, and stays there at any server."""
        steps = {".", ".."} & set(_SEGMENTS.split(path))
        return f"{path}/".startswith(self._path) and not steps
