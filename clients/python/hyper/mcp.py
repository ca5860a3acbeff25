"""``hyper mcp``: lets a language model work with the API, by the Model Context Protocol."""

from __future__ import annotations

import socket
from importlib.util import find_spec

import click

from hyper.agent.session import NEVER_GIVEN, AgentSession
from hyper.context import CommandContext
from hyper.failures import FAILED, INVALID, Failure
from hyper.group import command, complete_list, hyper
from hyper.wording import quoted

_LONGEST_LABEL = 100


@command(hyper, "mcp")
@click.option("--list", "-l", "list_name", metavar="LIST", shell_complete=complete_list,
              help="Only this list.")  # fmt: skip
@click.option("--scope", "-s", multiple=True,
              help="tasks:read to read only; by default all of yours but account.")  # fmt: skip
@click.option(
    "--name", "-n", help="Names the session, as 'mcp: NAME'; by default the list or host."
)
def mcp(
    ctx: CommandContext, list_name: str | None, scope: tuple[str, ...], name: str | None
) -> None:
    """Let a language model use your lists (MCP).

    This is a server of the Model Context Protocol. A program that has the model starts it, and
    speaks with it through standard input and output. The model gets a token of its own with fewer
    rights, which ends with the command. docs/agents.md tells how to set up the common programs.
    """
    if find_spec("mcp") is None:
        raise Failure(
            "hyper mcp needs mcp.",
            FAILED,
            "Install it from the folder of a clone: pip install './clients/python[mcp]'",
        )
    from hyper.agent.serving import serve

    on = None if list_name is None else ctx.list_named(list_name)
    label = f"mcp: {name or list_name or socket.gethostname()}"[:_LONGEST_LABEL]
    session = AgentSession(ctx.client, label, _scope(scope), on)
    tokens = session.begin()
    ctx.screen.note(f"Serving {ctx.account.root} as the session {quoted(label)}.")
    serve(ctx.account.root, session, tokens, ctx.user_agent)


def _scope(given: tuple[str, ...]) -> str:
    """Return the scope of the model's token.

    :raises Failure: when it has the scope ``account``.
    """
    words = " ".join(given).replace(",", " ").split()
    if NEVER_GIVEN in words:
        raise Failure(f"No model gets the scope {NEVER_GIVEN}. Remove it from --scope.", INVALID)
    return " ".join(words)
