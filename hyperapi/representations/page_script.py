"""The script of pages: a generic client of HAL-FORMS, in a few files.

The files are served below one address that changes with their content, so that caches may keep
them for ever.
"""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).parent / "script"

FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.js"))}
"""The contents of the files by name."""

VERSION = hashlib.sha256(b"".join(FILES.values())).hexdigest()[:16]
"""The part of the address that changes with the files."""

ADDRESS = f"script/{VERSION}/main.js"
"""The address of the file that a page loads, below that of the documentation."""
