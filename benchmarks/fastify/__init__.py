"""The peer on Fastify in ``server.js``: whether it is installed, and its tokens."""

import hashlib
import hmac
import json
import shutil
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path

FOLDER = Path(__file__).parent
SERVER = FOLDER / "server.js"
_LOAD = "new (require('better-sqlite3'))(':memory:'); require('fastify')"


def missing() -> str | None:
    """Return why the peer cannot run; None when it can."""
    if shutil.which("node") is None:
        return "Node.js is not installed"
    if not (FOLDER / "node_modules").is_dir():
        return "its packages are not installed: run npm ci --prefix benchmarks/fastify"
    tried = subprocess.run(
        ["node", "-e", _LOAD], cwd=FOLDER, capture_output=True, timeout=60, check=False
    )
    if tried.returncode:
        return "its packages do not load: run npm ci --prefix benchmarks/fastify again"
    return None


def make_token(secret_key: str, session: int) -> str:
    """A JSON Web Token for a session, signed with HMAC-SHA-256 (RFC 7519)."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"session": session})
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
    digest = hmac.digest(secret_key.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_base64url(digest)}"


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
