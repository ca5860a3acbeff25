"""``hyper import`` and ``hyper export``: many tasks from and to files."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import click
from hyperapi_client import ClientError, FieldErrors, Form
from hyperapi_client.text import folded

from hyper import dates
from hyper.context import CommandContext
from hyper.failures import FILE, INVALID, NOT_ALLOWED, Failure
from hyper.formats import FORMATS, Complaint, Entry, Format, entries, format_of, refuse
from hyper.group import command, hyper
from hyper.import_journal import Journal
from hyper.tasks import list_option
from hyper.wording import counted

if TYPE_CHECKING:
    from hyperapi_client import Resource

_MOST_TASKS = 1000
_MOST_BYTES = 1_000_000  # below the server's limit of 1 MiB
_PAGE = 100
_CLOCKS_DIFFER = timedelta(minutes=10)
_STANDARD = Path("-")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

file_argument = click.argument("file", type=click.Path(path_type=Path))
format_option = click.option(
    "--format",
    "-f",
    "format_name",
    type=click.Choice([each.name for each in FORMATS]),
    help="The format; by default from the end of the file name.",
)

# -- import


@dataclass(frozen=True)
class Batch:
    """Tasks that are sent together: all of them arrive, or none.

    :param list_title: of their list; None for the default list.
    :param digest: identifies the batch.
    """

    list_title: str | None
    entries: list[Entry]
    digest: str


@command(hyper, "import")
@file_argument
@list_option("The list they go to; made when it is not there.")
@format_option
@click.option("--again", is_flag=True, help="Import the file again.")
def import_file(
    ctx: CommandContext, file: Path, list_name: str | None, format_name: str | None, again: bool
) -> None:
    """Import tasks from a file. FILE is todo.txt, CSV, or JSON Lines; - is standard input.

    The whole file is checked first. Run the same command again to continue an interrupted import:
    nothing is duplicated, and nothing is missing.
    """
    kind = format_of(file, format_name)
    content = _content(file)
    found = entries(file, kind, content)
    journal = _journal(ctx, kind, list_name, content)
    if journal.finished and not again:
        when = dates.readable(journal.finished, ctx.now)
        ctx.screen.note(
            f"{file} was imported before ({when}). To import it once more, add --again."
        )
        _conclude(ctx, file, 0, len(found))
        return
    if journal.finished:
        journal.begin_again()
    importing = _Import(ctx, journal, file, list_name)
    importing.check(found)
    importing.run(found)
    _conclude(ctx, file, len(found), len(found))


def _content(file: Path) -> bytes:
    return sys.stdin.buffer.read() if file == _STANDARD else file.read_bytes()


def _journal(ctx: CommandContext, kind: Format, list_name: str | None, content: bytes) -> Journal:
    """Return the progress of this import."""
    root = ctx.client.root()
    who = root.links["user"].href if "user" in root.links else ctx.account.identity
    return Journal.open(content, root.uri, who, kind.name, list_name or "")


def _conclude(ctx: CommandContext, file: Path, imported: int, total: int) -> None:
    if ctx.screen.as_json:
        ctx.screen.json({"imported": imported, "total": total})
    elif imported:
        ctx.screen.say(f"Imported {counted(imported, 'task')} from {file}.")
    elif not total:
        ctx.screen.note(f"There are no tasks in {file}.")


class _Import:
    """A running import."""

    def __init__(
        self, ctx: CommandContext, journal: Journal, file: Path, list_name: str | None
    ) -> None:
        self._ctx = ctx
        self._journal = journal
        self._file = file
        self._list_name = list_name
        self._places: dict[str | None, Resource] = {}
        self._spellings: dict[str, set[str]] = {}

    def check(self, found: list[Entry]) -> None:
        """Check all tasks before anything is sent.

        :raises Failure: naming the lines that the server would refuse.
        """
        if not found:
            return
        refuse(self._file, list(self._about_lists(found)))
        for spelling in filter(None, map(self._title, found)):
            self._spellings.setdefault(folded(spelling), set()).add(spelling)
        for title in dict.fromkeys(map(self._title, found)):
            if self._exists(title):
                self._place(title)  # fails before anything is sent when the title is ambiguous
        form = self._form(found)
        complaints = [
            Complaint(each.line, f"{error.name} {error.detail}")
            for each in found
            for error in form.errors(each.members)
        ]
        refuse(self._file, complaints)

    def _about_lists(self, found: list[Entry]) -> Iterator[Complaint]:
        """Return the errors in the titles of lists that do not exist yet."""
        there = {name for each in self._ctx.lists for name in (each.title, each.uri)}
        if self._list_name:
            return
        wanted = [each for each in found if each.list_title and each.list_title not in there]
        if wanted:
            title = _creating(self._ctx.client.follow("lists")).fields["title"]
            for each in wanted:
                for said in title.objections(each.list_title):
                    yield Complaint(each.line, f"list {said}")

    def _form(self, found: list[Entry]) -> Form:
        """Return the form for creating tasks. It is the same on all lists."""
        if self._ctx.lists:
            return _creating(self._ctx.lists[0].follow("tasks"))
        return _creating(self._place(self._title(found[0])))

    def run(self, found: list[Entry]) -> None:
        """Send the batches that have not arrived.

        :raises Failure: naming the lines that the server refuses.
        """
        batches = list(_batches(found, self._title))
        self._journal.take_over([batch.digest for batch in batches])
        arrived = sum(len(batch.entries) for batch in batches[: self._journal.done])
        if arrived:
            self._ctx.screen.note(f"Continuing after {arrived:,} of {counted(len(found), 'task')}.")
        with _progress(self._ctx, "Importing", len(found)) as progress:
            progress(arrived)
            try:
                for batch in batches[self._journal.done :]:
                    self._send(batch)
                    arrived += len(batch.entries)
                    progress(arrived)
            except (ClientError, Failure, KeyboardInterrupt, OSError):
                self._tell_how_far(arrived, len(found))
                raise
        self._journal.finish(dates.now())

    def _title(self, entry: Entry) -> str | None:
        return self._list_name or entry.list_title

    def _send(self, batch: Batch) -> None:
        from hyperapi_client import How

        place = self._place(batch.list_title)
        journal = self._journal
        first = batch.entries[0].members["title"]
        if not journal.uncertain(dates.now(), lambda since: _is_there(place, first, since)):
            journal.send(dates.now())
            how = How(idempotency_key=journal.key(), minimal=True)
            try:
                made = place.create_many([each.members for each in batch.entries], how=how)
            except FieldErrors as error:
                journal.refused()
                raise _by_line(self._file, batch, error) from error
            self._ctx.changed(f"Imported {counted(len(batch.entries), 'task')}.", made)
        journal.arrive(batch.digest)

    def _place(self, title: str | None) -> Resource:
        """Return the tasks of the list with this title. Create the list when it is missing."""
        if title not in self._places:
            self._places[title] = self._list(title).follow("tasks")
        return self._places[title]

    def _exists(self, title: str | None) -> bool:
        """Tell whether a title names an existing list.

        Case counts when the file has titles that differ only in case.
        """
        lists = self._ctx.lists
        if title is None:
            return bool(lists)
        if len(self._spellings.get(folded(title), ())) > 1:
            return any(title == each.title for each in lists)
        return any(folded(title) == folded(each.title) for each in lists)

    def _list(self, title: str | None) -> Resource:
        lists = self._ctx.lists
        if title is None or self._exists(title):
            return self._ctx.list_or_default(title)
        if any(title == each.uri for each in lists):
            return self._ctx.list_named(title)
        return self._ctx.make_list(title, self._journal.list_key(title))

    def _tell_how_far(self, arrived: int, total: int) -> None:
        if not (arrived or self._journal.sending):
            self._ctx.screen.note("Nothing was imported.")
            return
        sure = "for sure, and perhaps some more" if self._journal.sending else "and no more"
        self._ctx.screen.note(
            f"{arrived:,} of {counted(total, 'task')} are imported {sure}. Run the same command "
            "again to go on from there: nothing will be there twice."
        )


def _creating(place: Resource) -> Form:
    """Return the form that creates a task.

    :raises Failure: when the form is not offered.
    """
    forms = place.forms()
    if "create" not in forms:
        raise Failure(
            f"You cannot add tasks to {place.uri}.",
            NOT_ALLOWED,
            "Use another token, or sign in: hyper login",
        )
    return forms["create"]


def _is_there(place: Resource, title: str, since: datetime) -> bool:
    """Tell whether a task with this title was created since then: then its batch arrived."""
    asked = {"title": title, "created_after": since - _CLOCKS_DIFFER, "limit": 1}
    return place.search(**asked).first is not None


def _batches(found: list[Entry], title_of: Any) -> Iterator[Batch]:
    """Split tasks by list, into batches within the server's limits."""
    by_list: dict[str | None, list[Entry]] = {}
    for each in found:
        by_list.setdefault(title_of(each), []).append(each)
    for title, tasks in by_list.items():
        batch: list[Entry] = []
        size = 0
        start = sha256((title or "").encode())
        digest = start.copy()
        for each in tasks:
            content = json.dumps(each.members, ensure_ascii=False).encode()
            weight = len(content) + 2
            if batch and (len(batch) == _MOST_TASKS or size + weight > _MOST_BYTES):
                yield Batch(title, batch, digest.hexdigest())
                batch, size, digest = [], 0, start.copy()
            batch.append(each)
            size += weight
            digest.update(content)
        yield Batch(title, batch, digest.hexdigest())


def _by_line(file: Path, batch: Batch, error: FieldErrors) -> Failure:
    """Return the errors of a batch with the lines of the file."""
    lines = []
    for each in error.errors:
        _, number, name = [*each.name.split("/", 2), "", ""][:3]
        if not number.isdecimal() or int(number) >= len(batch.entries):
            raise error
        lines.append(f"{file}:{batch.entries[int(number)].line}: {name} {each.detail}")
    if not lines:
        raise error
    return Failure(lines[0], INVALID, "\n".join([*lines[1:], "Correct the file first."]))


# -- export


@command(hyper, "export")
@file_argument
@list_option("Tasks of this list only.")
@format_option
@click.option("--open", "open_only", is_flag=True, help="Open tasks only.")
def export_file(
    ctx: CommandContext, file: Path, list_name: str | None, format_name: str | None, open_only: bool
) -> None:
    """Export tasks to a file. FILE is todo.txt, CSV, or JSON Lines; - is standard output.

    FILE is replaced when the export is complete. After an error it is unchanged.
    """
    kind = format_of(file, format_name)
    on = None if list_name is None else ctx.list_named(list_name)
    concerned = ctx.lists if on is None else [on]
    total = sum(each.open_count + (0 if open_only else each.done_count) for each in concerned)
    asked = {"limit": _PAGE, **({"done": False} if open_only else {})}
    number = 0
    with _progress(ctx, "Exporting", total) as progress, _written(file) as output:
        tasks = (ctx.client if on is None else on).follow("tasks").search(**asked)
        for number, text in enumerate(kind.write(_members(tasks, ctx.titles)), 1):
            output.write(text)
            if number % _PAGE == 0:
                progress(number)
    number -= kind.name == "csv"  # do not count the header
    if ctx.screen.as_json and file != _STANDARD:
        ctx.screen.json({"exported": number})
    else:
        ctx.screen.note(f"Exported {counted(number, 'task')} to {file}.")


def _members(tasks: Resource, titles: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    for each in tasks.items():
        yield {**each.members, "list": titles.get(each.list_uri, "")}


@contextmanager
def _written(file: Path) -> Iterator[IO[str]]:
    """Open a file that replaces the old one when it is complete.

    :raises Failure: when it cannot be written.
    """
    if file == _STANDARD:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # UTF-8, as in files
        yield sys.stdout
        return
    file = file.resolve()
    is_new = not file.exists()
    try:
        if not (is_new or file.is_file()):  # a device or a pipe cannot be replaced
            with file.open("w", encoding="utf-8", newline="") as output:
                yield output
            return
        mode = 0o666 & ~_umask() if is_new else file.stat().st_mode & 0o7777
        with _draft(file) as draft:
            yield draft
            draft.flush()
            os.fsync(draft.fileno())
            os.chmod(draft.name, mode)
            os.replace(draft.name, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        left = "The file does not exist." if is_new else "The file is unchanged."
        if error.errno in _FULL:
            left += "Free some space, or use another folder."
        reason = error.strerror or str(error)
        raise Failure(f"{file} cannot be written: {reason}.", FILE, left) from error


@contextmanager
def _draft(file: Path) -> Iterator[IO[str]]:
    """Open a temporary file beside another one. It is deleted after an error."""
    name = f".{file.name}."
    with NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=file.parent, prefix=name, delete=False
    ) as draft:
        try:
            yield draft
        except BaseException:
            Path(draft.name).unlink()
            raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


# -- both


@contextmanager
def _progress(ctx: CommandContext, what: str, total: int) -> Iterator[Any]:
    """Show a progress bar on a terminal. The result is called with the number of tasks done."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    console = ctx.screen.err
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
