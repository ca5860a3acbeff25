"""The client of ``mcp`` as an app: it finds its way from a 401 to the page for consent."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)

from tests.auth.consenting import LOOPBACK, answer

_METADATA = {"redirect_uris": [LOOPBACK], "token_endpoint_auth_method": "none"}


class McpApp:
    """The app, and its user, who allows what it asks for.

    :param url: what it wants to use.
    :param client_id: its id; None for an app that registers itself.
    :param fields: what the user chooses on the page for consent.
    :ivar pages: the pages that it sent the browser to.
    """

    tokens: OAuthToken | None = None

    def __init__(
        self, url: str, username: str, client_id: str | None = "hyper", **fields: Any
    ) -> None:
        self.client_id = client_id
        self.pages: list[str] = []
        self._username = username
        self._fields = fields
        self._came_back = ""
        known = OAuthClientMetadata.model_validate(_METADATA)
        self.auth = OAuthClientProvider(url, known, self, self._open_page, self._take_answer)

    async def _open_page(self, target: str) -> None:
        self.pages.append(target)
        self._came_back = await asyncio.to_thread(answer, target, self._username, **self._fields)

    async def _take_answer(self) -> AuthorizationCodeResult:
        told = parse_qs(urlsplit(self._came_back).query)
        return AuthorizationCodeResult(
            code=told["code"][0], state=told["state"][0], iss=told["iss"][0]
        )

    # -- what it keeps

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        if self.client_id is None:
            return None
        return OAuthClientInformationFull.model_validate({"client_id": self.client_id, **_METADATA})

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        assert self.client_id is None, f"it is registered, and not again: {client_info}"
        self.client_id = client_info.client_id
