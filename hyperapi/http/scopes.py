"""Scopes of tokens, and the levels of access that an operation can require."""

PUBLIC = "public"
"""Anyone. A token is not needed; one that is sent must be valid."""
OPEN = "open"
"""Anyone. The operation reads the Authorization header itself, or not at all."""
SIGNED_IN = "signed-in"
"""Any valid token, whatever its scope."""
READ, WRITE, ACCOUNT = "tasks:read", "tasks:write", "account"
SCOPES = (ACCOUNT, READ, WRITE)

LEVELS = (PUBLIC, OPEN, SIGNED_IN, *SCOPES)
