"""``hyper mcp``: lets a language model work with the API, by the Model Context Protocol."""

from __future__ import annotations

import socket
from importlib.util import find_spec

import click

from hyper.context import CommandContext
from hyper.failures import FAILED, Failure
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
    from hyper.agent.session import AgentSession

    on = None if list_name is None else ctx.list_named(list_name)
    label = f"mcp: {name or list_name or socket.gethostname()}"[:_LONGEST_LABEL]
    session = AgentSession(ctx.client, label, " ".join(scope).replace(",", " "), on)
    ctx.screen.note(f"Serving {ctx.account.root} as the session {quoted(label)}.")
    serve(ctx.account.root, session, ctx.user_agent)
