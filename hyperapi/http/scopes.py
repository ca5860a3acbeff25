"""Scopes of tokens, and the access levels that an operation can require."""

PUBLIC = "public"
"""No token is required. A token that is sent must be valid."""
OPEN = "open"
"""No token is required. The operation reads the Authorization header itself, or ignores it."""
SIGNED_IN = "signed-in"
"""Any valid token, with any scope."""
READ, WRITE, ACCOUNT = "tasks:read", "tasks:write", "account"
SCOPES = (ACCOUNT, READ, WRITE)

LEVELS = (PUBLIC, OPEN, SIGNED_IN, *SCOPES)
