"""What a command of an extension gets: the state of the application, and the rows of a user.

:func:`read_as` and :func:`write_as` do for a command what the request pipeline does for a view.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import click
from sqlalchemy import bindparam, select

from hyperapi.common.clock import now
from hyperapi.common.ids import new_id
from hyperapi.http.context import Context
from hyperapi.http.principal import Principal
from hyperapi.http.problems import Problem
from hyperapi.http.routes import RouteTable
from hyperapi.http.uris import UriSpace
from hyperapi.state import AppState
from hyperapi.storage.database import Statement
from hyperapi.storage.models import User

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

OPENER = "hyperapi.open_state"
"""Where the command ``hyperapi`` puts its function that opens the state: in click's ``meta``."""


def with_state(
    command: Callable[Concatenate[AppState, _Arguments], _Result],
) -> Callable[_Arguments, _Result]:
    """Pass the state of the application to a command, as the first argument.

    It is opened when the command runs. The command ends with one line when the database is missing
    or not up to date, and when it raises a problem. Write this decorator below those of click.
    """

    @wraps(command)
    def run(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
        opener = click.get_current_context().meta.get(OPENER)
        if opener is None:
            raise click.UsageError("This is a command of hyperapi: run it with `hyperapi`.")
        try:
            return command(opener(), *arguments, **options)
        except Problem as problem:
            raise click.ClickException(in_one_line(problem)) from None

    return run


def read_as(state: AppState, username: str, work: Callable[[Context], _Result]) -> _Result:
    """Run ``work`` with the rights of a user, in one transaction that only reads.

    :param work: takes the context that views get. It may run more than once, so it must have no
        other effects.
    :raises ClickException: when there is no such user.
    """
    ctx = _context(state, "GET")
    return ctx.read(lambda: work(_identified(ctx, username)))


def write_as(state: AppState, username: str, work: Callable[[Context], _Result]) -> _Result:
    """Run ``work`` with the rights of a user, in one transaction. Return its result.

    What it stores has revisions, counts towards the quotas, and is in the change feed, as in a
    request. When ``work`` raises an exception nothing is stored. The parameters and problems are
    those of :func:`read_as`.
    """
    ctx = _context(state, "POST")
    return ctx.write(lambda: work(_identified(ctx, username)))


def in_one_line(problem: Problem) -> str:
    """Return what a problem says, for a terminal."""
    errors = problem.members.get("errors", ())
    if not errors:
        return f"{problem.title}. {problem}"
    return "; ".join(f"{error['pointer'].lstrip('/')} {error['detail']}" for error in errors)


def _context(state: AppState, method: str) -> Context:
    """Return a context outside of a request. Its URIs are those that clients see."""
    uris = state[UriSpace].under_url(state.settings.base_url)
    ctx = Context(state, {"REQUEST_METHOD": method}, uris)
    ctx.request_id = new_id()
    return ctx


def _identified(ctx: Context, username: str) -> Context:
    """Make a user the principal of a context, with every scope.

    In a writing transaction the user's row stays locked until commit, as in a request.
    """
    found = _USER_TO_WRITE if ctx.tx.writes else _USER
    row = found.row(ctx.tx, {"username": username.lower()})
    if row is None:
        raise click.ClickException(f"There is no user {username}.")
    moment = now()
    ctx.identify(
        Principal(
            user=row.key,
            username=row.username,
            session="",
            label="hyperapi",
            scope=" ".join(ctx.state[RouteTable].scopes),
            parent=None,
            only_list=None,
            generation=0,
            revision=row.revision,
            forgotten=row.forgotten,
            signed_in_at=moment,
            last_used_at=moment,
            expires_at=moment,
            token_expires_at=moment,
        )
    )
    return ctx


_NAMED = select(User.key, User.username, User.revision, User.forgotten).where(
    User.username == bindparam("username"), User.deleted_at.is_(None)
)
_USER = Statement(_NAMED)
_USER_TO_WRITE = Statement(_NAMED.with_for_update(key_share=True))
