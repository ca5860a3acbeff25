"""The challenges of 401 replies."""

METADATA = 'resource_metadata="http://localhost/.well-known/oauth-protected-resource"'
"""The part of each challenge that says where the metadata of the service is (RFC 9728)."""
INVALID_TOKEN = f'Bearer error="invalid_token", {METADATA}'
"""The challenge for a token that is not valid."""
