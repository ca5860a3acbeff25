"""Tests of a service by what it declares, for hyperapi and for packages that add resources.

It needs the extra ``testing``. The server imports nothing of it.

A test file of an extension imports the class of the tests::

    from hyperapi.testing.suite import TestRules

Each test is one rule of :mod:`hyperapi.testing.rules`, over all operations of the extension. These
settings of pytest choose the service:

``hyperapi_extensions``
    The names of the extensions, in order. Required, unless a subclass of ``TestRules`` names them.
``hyperapi_resources``
    ``lists,tasks`` (the default), or empty: the rules then run on a service with the extensions
    alone. An extension that can do without lists passes both ways.
``hyperapi_rules_database``
    The URL of a PostgreSQL server, such as ``postgresql://me@localhost/postgres``. The rules create
    a new database there and drop it at the end. Without it they run on a new SQLite file. The
    environment variable ``HYPERAPI_RULES_DATABASE_URL`` takes precedence.

The command ``hyperapi-rules URL`` runs the same rules on a deployed service (``docs/rules.md``).

A failed test reports the operation, the rule, a way to fix it, the failed comparison, and the last
requests with their replies. Tokens and passwords are not in the report.
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
