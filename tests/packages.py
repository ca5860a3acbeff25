"""Packages with an extension, as installed ones: modules, migrations and metadata in a folder."""

import os
import sys
from pathlib import Path

from tests.serving import read_environment

MODULE = '''
"""Books: an extension that only tests install."""

from pathlib import Path
from typing import Annotated

import click
from pydantic import MISSING, Field
from sqlalchemy import Text, func, select
from sqlalchemy.orm import Mapped, mapped_column

from hyperapi.extension import (
    FORM, JSON, VISIBLE, AppState, Body, Context, Database, Extension, Folded, OwnedMembers,
    OwnedResource, OwnedRow, Query, Reply, Resource, Scope, Statement, TextOf, created, filters,
    with_state,
)

READ = Scope("books:read", "read books")
WRITE = Scope("books:write", "read and change books", includes=[READ])
Title = Annotated[str, TextOf(200, 1), Field(title="Title")]


class Book(OwnedRow):
    __tablename__ = "books"
    list_binding = VISIBLE

    title: Mapped[str] = mapped_column(Text)
    {columns}


class NewBook(Body):
    """A book to create."""

    title: Title


class BookMembers(OwnedMembers):
    """A book."""

    title: Title


BOOKS = OwnedResource(
    Book,
    BookMembers,
    one=("book", "As a template: the book with the given UUID."),
    many=("books", "Your books, in pages."),
    filters={{}},
)


@BOOKS.collection.get(scope=READ, query=BOOKS.listing, versioned_by_owner=True)
def get_books(ctx: Context, query: Query) -> Resource:
    """Your books, page by page."""
    return BOOKS.page(ctx, query)


@BOOKS.collection.post(scope=WRITE, body=NewBook, media=(JSON, FORM))
def create_book(ctx: Context, new: NewBook) -> Reply:
    """Create a book."""
    return created(BOOKS.represent(ctx, BOOKS.insert(ctx, new.members())))


@BOOKS.item.get(scope=READ)
def get_book(ctx: Context, key: str) -> Resource:
    """A book."""
    return BOOKS.represent(ctx, BOOKS.find(ctx, key))


@BOOKS.item.delete(scope=WRITE)
def delete_book(ctx: Context, key: str) -> Reply:
    """Delete a book."""
    return BOOKS.delete(ctx, key)


COUNT = Statement(select(func.count()).select_from(Book))


@click.command("{command}")
@click.option("--loud", is_flag=True)
@with_state
def count(state: AppState, loud: bool) -> None:
    """Count the books of all users."""
    [(number,)] = state[Database].read(lambda tx: COUNT.rows(tx, {{}}))
    click.echo(f"{{number}} books" + "!" * loud)


EXTENSION = Extension(
    name="{name}",
    resources=[BOOKS],
    migrations=Path(__file__).parent / "migrations",
    commands=[count],
)
'''

FIRST = '''
"""Books."""

import sqlalchemy as sa
from alembic import op

from hyperapi.extension import InstantColumn, Key

revision, down_revision, branch_labels, depends_on = "books_0001", None, None, None


def upgrade():
    op.create_table(
        "books",
        sa.Column("owner", Key(), nullable=False),
        sa.Column("key", Key(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", InstantColumn(), nullable=False),
        sa.Column("updated_at", InstantColumn(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.key"], name=op.f("fk_books_owner_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_books")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_books_owner_updated_at_key"), "books", ["owner", "updated_at", "key"])
    op.create_index(op.f("ix_books_owner_created_at_key"), "books", ["owner", "created_at", "key"])
    op.create_index(op.f("ix_books_owner_revision"), "books", ["owner", "revision"])
'''

SECOND = '''
"""The number of pages."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "books_0002", "books_0001", None, None


def upgrade():
    op.add_column("books", sa.Column("pages", sa.Integer(), nullable=True))
'''

BROKEN = '''
"""Half a step, and then a mistake."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "books_0002", "books_0001", None, None


def upgrade():
    op.add_column("books", sa.Column("colour", sa.Text(), nullable=True))
    op.execute("UPDATE bocks SET colour = 'red'")
'''
PYTHON = sys.executable
PAGES = "pages: Mapped[int | None]"


def books(
    folder: Path,
    *migrations: str,
    name: str = "books",
    version: str = "1.0",
    columns: str = "",
    command: str = "count-books",
    module: str = MODULE,
    target: str = "EXTENSION",
) -> Path:
    """Write the package ``hyperapi-books`` into a folder, in place of an older version.

    :param migrations: the texts of its migrations.
    :returns: the folder, for PYTHONPATH.
    """
    package, info = folder / f"hyperapi_{name}", folder / f"hyperapi_{name}-{version}.dist-info"
    (package / "migrations").mkdir(parents=True, exist_ok=True)
    for path in [*folder.glob("*.dist-info/*"), *package.glob("migrations/*.py")]:
        path.unlink()
    for path in folder.glob("*.dist-info"):
        path.rmdir()
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: hyperapi-{name}\nVersion: {version}\n"
    )
    entry = f"[hyperapi.extensions]\n{name} = hyperapi_{name}:{target}\n"
    (info / "entry_points.txt").write_text(entry)
    text = module.format(columns=columns, name=name, command=command)
    (package / "__init__.py").write_text(text)
    for number, text in enumerate(migrations, 1):
        (package / "migrations" / f"{name}_{number:04}_step.py").write_text(text)
    return folder


def with_packages(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a process that finds these packages, with settings."""
    known = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(filter(None, [str(folder), known]))
    return {**read_environment(**settings), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
