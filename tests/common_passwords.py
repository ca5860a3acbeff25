"""``python -m tests.common_passwords LIST``: write the service's list of common passwords anew.

LIST is a file with one password a line, in UTF-8. ``docs/security.md`` names the one that was used.
"""

import sys
from pathlib import Path

from hyperapi.auth.common_passwords import FILE, hashes_of

if __name__ == "__main__":
    passwords = Path(sys.argv[1]).read_text().splitlines()
    print(FILE.write_bytes(hashes_of(passwords)), "bytes")
