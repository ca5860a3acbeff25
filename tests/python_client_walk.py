"""A walk of a client that openapi-python-client made: ``python_client_walk.py BASE``."""

# mypy: disable-error-code="import-not-found"

import datetime
import sys

from made import AuthenticatedClient, Client
from made.api.lists import create_list
from made.api.tasks import create_task, get_tasks
from made.api.tokens import create_token
from made.api.users import register
from made.models import NewList, NewTask, Registration, SignIn

BASE = sys.argv[1]
TOMORROW = datetime.datetime(2030, 2, 1, 9, tzinfo=datetime.UTC)

with Client(base_url=BASE) as anyone:
    alice = {"username": "alice", "password": "correct horse battery"}
    register.sync(client=anyone, body=Registration(**alice))
    token = create_token.sync(client=anyone, body=SignIn(**alice))
    refused = get_tasks.sync(client=anyone)
    print(refused.status, refused.title)
with AuthenticatedClient(base_url=BASE, token=token.access_token) as client:
    groceries = create_list.sync(client=client, body=NewList(title="Groceries"))
    key = groceries.uri.rpartition("/")[2]
    create_task.sync(key, client=client, body=NewTask(title="Bread"))
    create_task.sync(key, client=client, body=NewTask(title="Milk", due_at=TOMORROW))
    page = get_tasks.sync(client=client, done=False, sort="-title", has_due=True)
    print([(task.title, task.due_at == TOMORROW) for task in page.tasks], page.next_uri)
