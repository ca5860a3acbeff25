"""WSGI middleware and hooks around every request: proxies, CORS, limits, log and metrics."""
