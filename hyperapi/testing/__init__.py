"""Tests of a service by what it declares, for hyperapi and for packages that add resources.

It needs the extra ``testing``. The server imports nothing of it.
"""

from importlib.util import find_spec

_NEEDED = ("jsonschema_rs", "pytest", "uritemplate")

if _missing := [name for name in _NEEDED if find_spec(name) is None]:
    raise ModuleNotFoundError(
        f"hyperapi.testing needs {', '.join(_missing)}. Install the extra of hyperapi: "
        "pip install '/path/to/hyperapi[testing]'",
        name=_missing[0],
    )

import pytest  # noqa: E402 - it may be missing

# Failures in these modules are explained like those in tests.
for _name in ("contract", "crawling", "replies", "rules", "suite", "world"):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")
