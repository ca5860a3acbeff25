"""The resources, in the order of their URLs: the one list that names them all."""

from hyperapi.resources import (
    changes,
    documents,
    health,
    lists,
    meanings,
    root,
    tasks,
    tokens,
    users,
)

ROUTES = [
    root.ROOT,
    users.USERS,
    users.USER,
    tokens.TOKENS,
    tokens.TOKEN,
    lists.LISTS,
    lists.LIST,
    tasks.TASKS_OF_LIST,
    tasks.TASKS,
    tasks.TASK,
    changes.CHANGES,
    meanings.RELATION,
    meanings.PROBLEM,
    documents.OPENAPI,
    documents.DOCS,
    health.LIVE,
    health.READY,
]
