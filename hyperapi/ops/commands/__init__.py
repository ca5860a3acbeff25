"""The commands of ``hyperapi``, one module for each group.

A module here declares arguments and help, and prints results. At its top it imports little more
than click. Each command imports its work when it runs, so that `hyperapi --help` starts quickly and
a command imports what it needs. Add a command here, and its work in a module beside this package.
"""

import click

from hyperapi.ops.commands.clients import clients
from hyperapi.ops.commands.database import back_up, purge, restore, restored, upgrade
from hyperapi.ops.commands.description import openapi, routes
from hyperapi.ops.commands.extensions import extensions
from hyperapi.ops.commands.keys import keys
from hyperapi.ops.commands.new import new
from hyperapi.ops.commands.service import examine, serve
from hyperapi.ops.commands.users import users

COMMANDS: tuple[click.Command, ...] = (
    back_up,
    clients,
    examine,
    extensions,
    keys,
    new,
    openapi,
    purge,
    restore,
    restored,
    routes,
    serve,
    upgrade,
    users,
)
