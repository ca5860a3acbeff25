"""What the client promises about itself."""

import inspect
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import hyperapi_client
import pytest
from hyperapi_client import AsyncClient, AsyncResource, Client, Resource

FOLDER = Path(hyperapi_client.__file__).parent
TYPED = """
from hyperapi_client import AsyncClient, Change, Client, Conflict, FormError, How, Resource, Tokens
from hyperapi.sandbox.pytest_plugin import Clock, MakeUser, Sandbox

def script() -> None:
    with Client("http://127.0.0.1:5000", "hya_x", patience=3.0) as client:
        groceries: Resource = client.follow("lists").submit("create", title="Groceries")
        tasks = groceries.follow("tasks")
        first: Resource | None = tasks.first
        tokens: Tokens | None = client.tokens
        for task in tasks.search(done=False, tag=["shop"]).items():
            title: str = task.title
            task.submit("edit", {"title": title.upper()}, how=How(force=True))
        for page in tasks.pages():
            names: list[str] = [form.title for form in page.forms().values()]
        change: Change[Resource]
        for change in client.changes():
            when: str = change.changed_at
        try:
            tasks.create_many([{"title": "Milk"}])
        except FormError as error:
            print(error.errors[0].name.upper(), first, tokens)
        except Conflict as conflict:
            print(conflict.current, conflict.status + 1)
        client.follow("lists").submit(5)  # wrong: arg-type
        number: int = client.follow("lists")  # wrong: assignment

async def coroutine() -> None:
    async with AsyncClient("http://127.0.0.1:5000") as client:
        lists = await client.follow("lists")
        titles: list[str] = [each.title async for each in lists.items()]
        async for change in client.changes(follow=True):
            print(change.resource.uri if change.resource else titles)
        lists.first.title  # wrong: union-attr

def test_it(make_user: MakeUser, clock: Clock, hyperapi: Sandbox) -> None:
    ann: Client = make_user("ann")
    clock.forward(hours=1)
    hyperapi.restore(hyperapi.snapshot())
    print(ann.tokens)
"""
"""A script of somebody who has their types checked strictly."""

OURS = {
    "close": "aclose",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "__iter__": "__aiter__",
}


@pytest.mark.parametrize(("one", "other"), [(Client, AsyncClient), (Resource, AsyncResource)])
def test_threads_and_coroutines_have_the_same_methods(one: type, other: type) -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            OURS.get(name, name): list(inspect.signature(found).parameters)
            for name, found in vars(kind).items()
            if inspect.isfunction(found) and name not in ("__exit__", "__aexit__")
        }

    assert methods(one) == methods(other)


def test_every_method_is_documented() -> None:
    for kind in (Client, Resource, AsyncClient, AsyncResource):
        for name, found in vars(kind).items():
            if inspect.isfunction(found) and not name.startswith("_"):
                assert inspect.getdoc(found), f"{kind.__name__}.{name}"


def test_it_knows_no_path() -> None:
    for source in FOLDER.glob("*.py"):
        text = source.read_text()
        assert "/api" not in text, source
        assert not re.search(r"[\"']/(users|tokens|lists|tasks|changes)", text), source


def test_it_is_typed(tmp_path: Path) -> None:
    assert files("hyperapi").joinpath("py.typed").is_file()
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\nwarn_unreachable = true\n")
    (tmp_path / "script.py").write_text(TYPED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.findall(r"script.py:(\d+): error: .*\[([a-z-]+)\]", done.stdout) == [
        (str(number), line.partition("# wrong: ")[2])
        for number, line in enumerate(TYPED.splitlines(), 1)
        if "# wrong: " in line
    ], done.stdout + done.stderr


def test_none_of_its_modules_imports_the_whole() -> None:
    for source in FOLDER.glob("*.py"):
        for line in source.read_text().splitlines():
            assert not line.startswith("from hyperapi_client import"), source


def test_it_does_without_the_server() -> None:
    script = (
        "import sys, hyperapi_client; sys.exit({'flask', 'sqlalchemy'} & set(sys.modules) != set())"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_where_httpx_is_missing_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['httpx'] = None; import hyperapi_client"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: hyperapi_client needs httpx. Install it from the folder of a clone: "
        "pip install ./clients/python"
    )


def test_all_that_is_public_is_there() -> None:
    assert all(hasattr(hyperapi_client, name) for name in hyperapi_client.__all__)
    assert sorted(hyperapi_client.__all__) == hyperapi_client.__all__
