"""The WSGI entry point: one context per request, and one exit for errors.

Flask provides the URL map, ``url_for``, the test client and the command line. No code of a request
uses Flask's proxies.
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter

from hyperapi.http import problems
from hyperapi.http.context import Context
from hyperapi.http.problems import MethodNotAllowed as MethodNotAllowedProblem
from hyperapi.http.routes import RouteTable, accept_patch
from hyperapi.http.uris import BASE, UriSpace, base_of
from hyperapi.http.wsgi_response import Response
from hyperapi.state import AppState

Endpoint = Callable[..., Response]
Before = Callable[[Context], Response | None]
After = Callable[[Context, Response], Response]


class UuidConverter(BaseConverter):
    """A UUID in a URL, in upper or lower case. Python gets lower-case text."""

    regex = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"

    def to_python(self, value: str) -> str:
        """Return the text in lower case."""
        return value.lower()


class RequestHandler:
    """Handles the requests of one application.

    One handler may serve several states: the same routes on several databases.

    :ivar before: called in order before the route. The first response ends the request.
    :ivar after: called in order with every response.
    """

    def __init__(self, app: Flask, state: AppState) -> None:
        self.app = app
        self._state = state
        self._endpoints: dict[str, Endpoint] = {}
        self.before: list[Before] = []
        self.after: list[After] = []
        app.url_map.converters["uuid"] = UuidConverter
        app.url_map.merge_slashes = False

    def add(self, path: str, name: str, endpoint: Endpoint, methods: Iterable[str]) -> None:
        """Add a URL rule. ``endpoint`` is called with the context and the values in the URL."""
        self.app.add_url_rule(path, name, methods=methods, provide_automatic_options=False)
        self._endpoints[name] = endpoint

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.respond(self._state, environ)(environ, start_response)

    def respond(self, state: AppState, environ: dict[str, Any]) -> Response:
        """Return the response to a request to the service with this state."""
        uris = state[UriSpace].under(environ.get(BASE) or base_of(environ))
        ctx = Context(state, environ, uris)
        response = self._respond(ctx)
        for hook in self.after:
            response = hook(ctx, response)
        return response

    def _respond(self, ctx: Context) -> Response:
        try:
            for hook in self.before:
                if (response := hook(ctx)) is not None:
                    return response
            rule, values = ctx.uris.match(ctx.path, ctx.method, ctx.environ.get("QUERY_STRING", ""))
            ctx.rule = rule.rule
            return self._endpoints[rule.endpoint](ctx, **values)
        except MethodNotAllowed as refusal:
            return _refuse_method(ctx, refusal)
        except Exception as failure:
            return problems.from_exception(ctx, failure)


def _refuse_method(ctx: Context, refusal: MethodNotAllowed) -> Response:
    """Build the 405, with the same Allow and Accept-Patch as OPTIONS."""
    allowed = ", ".join(sorted({*(refusal.valid_methods or ()), "OPTIONS"}))
    try:
        route = ctx.state[RouteTable].named(ctx.uris.match(ctx.path, "OPTIONS")[0].endpoint)
    except HTTPException:  # a path of no resource, which has no OPTIONS
        route = None
    headers = [("Allow", allowed), *(accept_patch(route) if route else ())]
    return problems.respond(ctx, MethodNotAllowedProblem(f"Use one of {allowed}.", headers=headers))
