"""The application, put together from its parts in the order in which a request meets them."""

from flask import Flask, redirect
from werkzeug.wrappers import Response

from hyperapi import db
from hyperapi.auth.guard import ACCESS_PREFIX, REFRESH_PREFIX
from hyperapi.auth.passwords import Passwords
from hyperapi.auth.tokens import Tokens
from hyperapi.querying.cursor import Cursors
from hyperapi.resources import PLACES, documents
from hyperapi.resources.root import ROOT
from hyperapi.settings import Settings
from hyperapi.web import answer, cors, news, problems, proxy, ratelimit, requestlog


def create_app(settings: Settings | None = None) -> Flask:
    """A WSGI application that serves the API.

    :param settings: what the operator chose; read from the environment when it is not given.
    """
    settings = settings or Settings.read()
    app = Flask("hyperapi", static_folder=None)
    app.extensions["hyperapi.settings"] = settings
    app.extensions["hyperapi.passwords"] = Passwords(settings)
    app.extensions["hyperapi.access_tokens"] = Tokens(settings.secret_keys, "access", ACCESS_PREFIX)
    app.extensions["hyperapi.refresh_tokens"] = Tokens(
        settings.secret_keys, "refresh", REFRESH_PREFIX
    )
    app.extensions["hyperapi.cursors"] = Cursors(settings.secret_keys)
    requestlog.init_app(app)
    cors.init_app(app, settings)
    proxy.init_app(app, settings)
    ratelimit.init_app(app, settings)
    news.init_app(app, settings)
    db.init_app(app, settings)
    problems.init_app(app)
    answer.register(app, PLACES)
    documents.init_app(app)
    app.add_url_rule("/", "home", _home)
    return app


def _home() -> Response:
    """Whoever comes to the bare host is led to the API."""
    return redirect(ROOT.uri())
