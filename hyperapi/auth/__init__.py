"""Passwords, tokens, sessions and the principal of a request."""
