"""Is the database one that this code can work on?

Migrations are numbered: ``0007``. One that code from before it can live with keeps its number as
its name. One that it cannot live with says from where on code can: ``0009_since_0007`` is safe
for code that was written for 0007 or later, and names from then on carry that along. So code can
tell about migrations that it has never heard of (``docs/operating.md``, "Upgrading").
"""

import re

EXPECTED = "0005"
"""The migration that this code was written for: the newest one. A test keeps it so."""

NAME = re.compile(r"(?P<number>\d{4})(_since_(?P<since>\d{4}))?")


def unfit(present: str | None) -> str | None:
    """Why this code must leave a database alone; None when it need not.

    :param present: the last migration that the database has seen; None when there was none.
    """
    if present is None:
        return "the database has no tables of ours: run `hyperapi upgrade`"
    name = NAME.fullmatch(present)
    if name is None:
        return f"the database is at {present}, which is no migration of ours"
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
    """Is a database, fit to be worked on, ahead of this code?"""
    return present[:4] > EXPECTED[:4]
