"""Whether this code can work on the schema of a database.

The service's own tables and those of each extension have migrations of their own. Migrations are
numbered: ``0007``, of the extension ``notes``: ``notes_0007``. A migration that older code can work
with has only its number as its name. Otherwise the name states the oldest code that can:
``0009_since_0007`` is safe for code written for 0007 or later, and later names repeat that suffix.
Code can thus judge migrations that are newer than itself (``docs/operating.md``, "Upgrading").
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

EXPECTED = "0015_since_0014"
"""The newest migration, which this code was written for. A test keeps it current."""

NAME = re.compile(r"(?P<number>\d{4})(_since_(?P<since>\d{4}))?")


@dataclass(frozen=True)
class Schema:
    """Tables that are migrated together: the service's own, or those of an extension.

    :param extension: the name of the extension; empty for the service's own tables.
    :param expected: the newest migration, which this code was written for; empty without any.
    :param folder: of the migrations; None for the service's own.
    """

    extension: str = ""
    expected: str = EXPECTED
    folder: Path | None = None

    @classmethod
    def of_extension(cls, name: str, folder: Path) -> "Schema":
        """Return the schema of an extension. The files of its migrations begin with their names."""
        pattern = re.compile(rf"({name}_\d{{4}}(_since_\d{{4}})?)(_\w*)?\.py")
        found = [each[1] for path in folder.glob("*.py") if (each := pattern.fullmatch(path.name))]
        return cls(name, max(found, default=""), folder)

    @property
    def title(self) -> str:
        """The name in progress lines."""
        return self.extension or "hyperapi"

    @property
    def version_table(self) -> str:
        """The table with the last migration."""
        return f"alembic_version_{self.extension}" if self.extension else "alembic_version"

    def problem(self, present: str | None) -> str | None:
        """Return why this code cannot work on a database; None when it can.

        :param present: the last migration of the database; None when there is none.
        """
        if present is None:
            return f"{self._missing}: run `hyperapi upgrade`"
        name, expected = self._parse(present), self._parse(self.expected)
        if name is None or expected is None:
            return f"{self._subject} at {present}, which is not a migration of {self.title}"
        if name["number"] < expected["number"]:
            return (
                f"{self._subject} at {present}, and this code needs {self.expected}: "
                "run `hyperapi upgrade`"
            )
        if (name["since"] or "") > expected["number"]:
            return (
                f"{self._subject} at {present}, and only code for {self._prefix}{name['since']} or "
                f"later can work on it; this is for {self.expected}: run a newer version"
                + (f" of {self.extension}" if self.extension else "")
            )
        return None

    def newer(self, present: str) -> bool:
        """Return whether a usable database is newer than this code."""
        name, expected = self._parse(present), self._parse(self.expected)
        return name is not None and expected is not None and name["number"] > expected["number"]

    def is_name(self, revision: str) -> bool:
        """Return whether a migration has a name by the rules above."""
        return self._parse(revision) is not None

    def next_name(self, since: str = "") -> str:
        """Return the name of the migration after the newest one.

        :param since: the number of the oldest code that works with it; by default as before.
        """
        newest = self._parse(self.expected)
        number = int(newest["number"]) + 1 if newest else 1
        since = since or (newest["since"] or "" if newest else "")
        return f"{self._prefix}{number:04}" + (f"_since_{since}" if since else "")

    @property
    def _prefix(self) -> str:
        return f"{self.extension}_" if self.extension else ""

    @property
    def _subject(self) -> str:
        if self.extension:
            return f"the tables of the extension {self.extension} are"
        return "the database is"

    @property
    def _missing(self) -> str:
        if self.extension:
            return f"the database has no tables of the extension {self.extension}"
        return "the database has no hyperapi tables"

    def _parse(self, revision: str) -> re.Match[str] | None:
        if not revision.startswith(self._prefix):
            return None
        return NAME.fullmatch(revision.removeprefix(self._prefix))


CORE = Schema()
"""The service's own tables."""


class Schemas(tuple[Schema, ...]):
    """The schemas of one application, in the order in which they are migrated.

    The service's own is the first, because extensions refer to its tables.
    """

    __slots__ = ()

    @classmethod
    def of(cls, extensions: Iterable[Schema] = ()) -> "Schemas":
        """Return the service's own schema, and those of its extensions."""
        return cls((CORE, *extensions))
