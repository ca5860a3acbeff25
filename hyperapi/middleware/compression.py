"""Compression of replies, as Accept-Encoding asks for it.

Replies with secrets are never compressed: the size of a compressed body would reveal them to
clients that choose another part of the same body (the BREACH attack). Event streams are not
compressed either, because each event must arrive at once.
"""

from hyperapi.http.content_coding import OFFERED, SMALLEST, compressed, compressed_once
from hyperapi.http.context import Context
from hyperapi.http.etags import in_coding
from hyperapi.http.handler import RequestHandler
from hyperapi.http.wsgi_response import Compression, Response
from hyperapi.representations.negotiation import IDENTITY, choose_coding


def init_app(handler: RequestHandler) -> None:
    """Compress the replies to clients that ask for it."""
    handler.after.append(_compress)


def _compress(ctx: Context, response: Response) -> Response:
    asked = ctx.environ.get("HTTP_ACCEPT_ENCODING")
    if asked is None or response.compression is Compression.NEVER:
        return response
    coding = choose_coding(asked, OFFERED) or IDENTITY
    if coding == IDENTITY:
        return response
    # The tag names the coding also where the body is small or left out: a 304 is answered without
    # the body, and has the tag of the 200.
    response.replace("ETag", lambda tag: in_coding(tag, coding))
    if len(response.body) >= SMALLEST or (response.body and _identity_is_refused(asked)):
        once = response.compression is Compression.ONCE
        response.body = (compressed_once if once else compressed)(response.body, coding)
        response.add(("Content-Encoding", coding))
    return response


def _identity_is_refused(asked: str) -> bool:
    return choose_coding(asked, (IDENTITY,)) is None
