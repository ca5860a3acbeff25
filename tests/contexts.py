"""Contexts of requests that were never sent, for what needs one."""

from flask import Flask
from werkzeug.test import create_environ

from hyperapi.http.context import Context
from hyperapi.http.handler import RequestHandler
from hyperapi.http.pipeline import Pipeline
from hyperapi.http.routes import Route
from hyperapi.http.uris import Uris, base_of
from hyperapi.state import state_of


def context(app: Flask, base_url: str = "http://localhost/", **environ: str) -> Context:
    """The context of a GET of the root, with what ``environ`` says."""
    made = {**create_environ("/api/v1/", base_url), **environ}
    return Context(state_of(app), made, Uris(app, base_of(made)))


def serve_also(app: Flask, route: Route) -> None:
    """Have an application serve one more route."""
    state = state_of(app)
    methods = [*route.operations, "OPTIONS"]
    endpoint = state[Pipeline].endpoint(route)
    state[RequestHandler].add(route.path, route.name, endpoint, methods)
