"""Whether this code can work on the schema of a database.

Migrations are numbered: ``0007``. A migration that older code can work with has only its number as
its name. Otherwise the name states the oldest code that can: ``0009_since_0007`` is safe for code
written for 0007 or later, and later names repeat that suffix. Code can thus judge migrations that
are newer than itself (``docs/operating.md``, "Upgrading").
"""

import re

EXPECTED = "0006"
"""The newest migration, which this code was written for. A test keeps it current."""

NAME = re.compile(r"(?P<number>\d{4})(_since_(?P<since>\d{4}))?")


def schema_problem(present: str | None) -> str | None:
    """Return why this code cannot work on a database; None when it can.

    :param present: the last migration of the database; None when there is none.
    """
    if present is None:
        return "the database has no hyperapi tables: run `hyperapi upgrade`"
    name = NAME.fullmatch(present)
    if name is None:
        return f"the database is at {present}, which is not a migration of hyperapi"
    if name["number"] < EXPECTED[:4]:
        return (
            f"the database is at {present}, and this code needs {EXPECTED}: run `hyperapi upgrade`"
        )
    if (name["since"] or "") > EXPECTED[:4]:
        return (
            f"the database is at {present}, and only code for {name['since']} or later can work on "
            f"it; this is for {EXPECTED}: run a newer version"
        )
    return None


def newer(present: str) -> bool:
    """Return whether a usable database is newer than this code."""
    return present[:4] > EXPECTED[:4]
