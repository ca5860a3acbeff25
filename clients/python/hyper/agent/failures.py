"""Failures as texts for a model: what happened, and what to do next."""

from hyperapi_client import ClientError, Unauthorized

from hyper.agent.bridge import Stale
from hyper.agent.fitting import fitted, seen, shortened

_ENDED = "The session of this program has ended. Its user can start it again."


def described(failure: ClientError) -> str:
    """Return the text of a failure. A stale version comes with the resource as it is now."""
    lines = [seen(shortened(str(failure)))]
    if isinstance(failure, Unauthorized):
        lines.append(_ENDED)
    if isinstance(failure, Stale):
        lines.append(fitted(failure.current))
    return "\n".join(lines)
