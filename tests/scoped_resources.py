"""Owned resources with scopes of their own: quotes, which every token of the user may see, and
secrets, which tokens of one list may not."""

from typing import Annotated

from pydantic import Field
from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import (
    REFUSED,
    VISIBLE,
    OwnedMembers,
    OwnedResource,
    OwnedRow,
    Scope,
    TextOf,
    standard_operations,
)
from tests.bound_resources import METADATA

READ_QUOTES = Scope("quotes:read", "read quotes")
WRITE_QUOTES = Scope("quotes:write", "read and change quotes", includes=[READ_QUOTES])
READ_SECRETS = Scope("secrets:read", "read secrets")
WRITE_SECRETS = Scope("secrets:write", "read and change secrets", includes=[READ_SECRETS])


class Quote(OwnedRow):
    """A quote."""

    __tablename__ = "quotes"
    metadata = METADATA
    list_binding = VISIBLE

    text: Mapped[str] = mapped_column(Text)


class Secret(OwnedRow):
    """A secret."""

    __tablename__ = "secrets"
    metadata = METADATA
    list_binding = REFUSED

    text: Mapped[str] = mapped_column(Text)


class QuoteMembers(OwnedMembers):
    """A quote."""

    text: Annotated[str, TextOf(500, 1), Field(title="Text")]


class SecretMembers(OwnedMembers):
    """A secret."""

    text: Annotated[str, TextOf(500, 1), Field(title="Text")]


QUOTES = OwnedResource(
    Quote,
    QuoteMembers,
    one=("quote", "As a template: the quote with the given UUID."),
    many=("quotes", "Your quotes, in pages."),
    titled_by="text",
    filters={},
)
SECRETS = OwnedResource(
    Secret,
    SecretMembers,
    one=("secret", "As a template: the secret with the given UUID."),
    many=("secrets", "Your secrets, in pages."),
    titled_by="text",
    filters={},
)
standard_operations(QUOTES, read=READ_QUOTES, write=WRITE_QUOTES)
standard_operations(SECRETS, read=READ_SECRETS, write=WRITE_SECRETS)
