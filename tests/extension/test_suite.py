"""The rules as an author of an extension runs them: by pytest, over an installed package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hyperapi.testing.rules import RULES
from tests import databases, packages
from tests.serving import PATIENCE

FORGETS_THE_OWNER = (
    packages.MODULE.replace(
        "return BOOKS.represent(ctx, BOOKS.find(ctx, key))",
        "row = ANY.row(ctx.tx, {{'of_key': key}})\n"
        "    if row is None:\n"
        "        raise NotFound\n"
        "    return BOOKS.represent(ctx, row)",
    )
    .replace(
        "COUNT = Statement",
        "ANY = Statement(select(*BOOKS.columns).where(Book.key == bindparam('of_key')))\n"
        "COUNT = Statement",
    )
    .replace("import Text, func, select", "import Text, bindparam, func, select")
    .replace("    OwnedResource,", "    NotFound, OwnedResource,")
)
INI = "[pytest]\nhyperapi_extensions = books\n"


def author_runs(
    folder: Path,
    *words: str,
    module: str = packages.MODULE,
    migration: str = packages.FIRST,
    ini: str = INI,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run the rules over a package, in a folder of their own."""
    installed = packages.books(folder / "packages", migration, module=module)
    (folder / "pytest.ini").write_text(ini)
    (folder / "test_rules.py").write_text("from hyperapi.testing.suite import TestRules\n")
    without = ["-p", "no:cacheprovider", "-p", "no:schemathesis"]
    command = [sys.executable, "-P", "-m", "pytest", "-q", *without, *words]
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return subprocess.run(
        command,
        cwd=folder,
        env={**kept, "PYTHONPATH": str(installed), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE * 20,
    )


@pytest.mark.parametrize("resources", ["lists,tasks", ""])
def test_a_right_package_passes_with_lists_and_without(tmp_path: Path, resources: str) -> None:
    ran = author_runs(tmp_path, ini=f"{INI}hyperapi_resources = {resources}\n")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(RULES) + 2} passed" in ran.stdout  # and one for the start, and the migrations


def test_an_extension_that_cannot_be_imported_is_one_failure(tmp_path: Path) -> None:
    broken = packages.MODULE + "\nraise RuntimeError('half written')\n"
    ran = author_runs(tmp_path, module=broken)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert f"1 failed, {len(RULES) + 1} skipped" in ran.stdout
    assert ran.stdout.count("the extension books cannot be imported") <= 2, "and in the summary"
    assert "half written" in ran.stdout
    chosen = author_runs(tmp_path, "-k", "another_users_resource", module=broken)
    assert chosen.returncode == 1, "a rule that did not run did not pass"


def test_the_rules_run_on_a_new_database_of_a_postgresql_server(
    tmp_path: Path, stores: databases.Stores
) -> None:
    url = stores.server.url("postgres")
    chosen = ("-k", "migrations or another_user or bound or page")
    ran = author_runs(tmp_path, *chosen, HYPERAPI_RULES_DATABASE_URL=url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with stores.server.connect() as administrator:
        names = administrator.execute("SELECT datname FROM pg_database").fetchall()
    assert not [name for (name,) in names if name.startswith("hyperapi_rules")], "it was dropped"


def test_a_report_has_all_that_a_stranger_needs(tmp_path: Path) -> None:
    ran = author_runs(tmp_path, "-k", "another_users_resource", module=FORGETS_THE_OWNER)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    report = ran.stdout
    for part in (
        "GET /api/v1/books/<uuid:key> breaks the rule another_users_resource_is_a_missing_one.",
        "The rule:\n    Another user's resource gives the same 404 as one that never was",
        "To fix it:\n    Select rows with the owner: OwnedResource.find, or owned(model",
        "Found:\n    ",
        "200 == 404",
        "The last requests of the check, in their order:\n\n    > GET /api/v1/books/",
        "    > Authorization: Bearer (not shown)\n",
        "    < 200 OK\n    < Vary: Accept",
        '    < {"created_at":"',
    ):
        assert part in report, report
    assert "hya_" not in report.replace("hya_(not shown)", "")
    assert "Traceback" not in report


TITLE = r'sa.Column\("title", sa.Text\(\), nullable=False\),'


@pytest.mark.parametrize(
    ("pattern", "new", "told"),
    [
        (TITLE, 'sa.Column("title", sa.Text(), nullable=True),', "modify_nullable"),
        (TITLE, "", "add_column"),
        (r".*ix_books_owner_revision.*\n", "", "ix_books_owner_revision"),
        (', ondelete="CASCADE"', "", "add_fk"),
    ],
    ids=["nullability", "column", "index", "foreign key"],
)
def test_a_migration_that_differs_from_the_model_is_told(
    tmp_path: Path, pattern: str, new: str, told: str
) -> None:
    text = re.sub(pattern, new, packages.FIRST)
    assert text != packages.FIRST
    ran = author_runs(tmp_path, "-k", "migrations", migration=text)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "The models of books differ from its migrations" in ran.stdout
    assert told in ran.stdout
