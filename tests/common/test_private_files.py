"""The files that hold what users keep: whatever the umask, only their owner can read them."""

import os
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hyperapi.common import private_files
from hyperapi.ops import doctor
from hyperapi.settings import Settings
from hyperapi.storage.backup import back_up, restore
from tests.conftest import SECRET_KEY
from tests.serving import COMMAND, read_environment

UMASKS = (0o000, 0o022)


def mode(path: Path) -> int:
    """What its owner, its group and others may do with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def settings(folder: Path) -> Settings:
    """Settings whose database is in a folder that everyone can look into."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    chosen = {
        "HYPERAPI_DATABASE_URL": f"sqlite:///{folder}/todo.db",
        "HYPERAPI_SECRET_KEYS": SECRET_KEY,
    }
    return Settings.read(chosen)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, on the database of :func:`settings`."""
    environment = read_environment(
        database_url=f"sqlite:///{folder}/todo.db", instance=str(folder / "instance")
    )
    return subprocess.run(
        [*COMMAND, *words], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )


@pytest.fixture(params=UMASKS, ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The umask that takes nothing away, and the usual one."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_the_database_and_what_sqlite_keeps_beside_it_are_private(
    tmp_path: Path, umask: int
) -> None:
    os.umask(0o022)
    chosen = settings(tmp_path / "data")
    os.umask(umask)
    run(tmp_path / "data", "upgrade")
    with closing(sqlite3.connect(chosen.database_file)) as connection:
        connection.execute("CREATE TABLE more (x)")
        connection.commit()
        found = private_files.with_companions(chosen.database_file)
        modes = {each.name: mode(each) for each in found if each.exists()}
    assert modes == dict.fromkeys(("todo.db", "todo.db-wal", "todo.db-shm"), 0o600)
    assert mode(tmp_path / "data/instance/secret_key") == 0o600


def test_a_database_is_private_before_sqlite_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, seen = settings(tmp_path), list[int]()
    connect = sqlite3.connect

    def watched(*arguments: object, **options: object) -> sqlite3.Connection:
        seen.append(mode(chosen.database_file))
        return connect(*arguments, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("sqlite3.dbapi2.connect", watched)
    monkeypatch.setattr("sqlite3.connect", watched)
    from hyperapi.storage import migrations  # noqa: PLC0415 - it takes sqlite3.connect when it is asked

    migrations.upgrade(chosen.database_url)
    assert seen
    assert set(seen) == {0o600}


def test_backups_and_what_is_restored_are_private(tmp_path: Path, umask: int) -> None:
    os.umask(0o022)
    folder, copy = tmp_path / "data", tmp_path / "copy.db"
    chosen = settings(folder)
    run(folder, "upgrade")
    os.umask(umask)
    back_up(chosen, copy, lambda *_: None)
    chosen.database_file.unlink()
    restore(chosen, copy, lambda *_: None)
    assert (mode(copy), mode(chosen.database_file)) == (0o600, 0o600)


def test_a_link_that_somebody_put_where_a_backup_is_written_is_not_followed(
    tmp_path: Path,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(tmp_path / "theirs")
    with pytest.raises(FileExistsError):
        private_files.create(elsewhere)
    assert not (tmp_path / "theirs").exists()


def test_files_that_others_could_read_are_tightened_at_the_next_start(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    run(tmp_path, "upgrade")
    key = tmp_path / "instance" / "secret_key"
    for path in (chosen.database_file, key):
        path.chmod(0o644)
    bad = [each.line for each in doctor.of_database(chosen) if each.level is doctor.Level.BAD]
    assert f"others may read {chosen.database_file}: chmod 600" in bad
    said = run(tmp_path, "upgrade").stderr
    assert (mode(chosen.database_file), mode(key)) == (0o600, 0o600)
    assert f"others could read {key}: generate a new key" in said
    assert [each for each in doctor.of_database(chosen) if each.level is doctor.Level.BAD] == []


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o277])
def test_a_private_file_has_its_mode_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    private_files.create(tmp_path / "file")
    os.umask(before)
    assert mode(tmp_path / "file") == 0o600


def test_tightening_keeps_what_the_owner_may_do(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for before, after in ((0o644, 0o600), (0o440, 0o400), (0o700, 0o700), (0o666, 0o600)):
        path.chmod(before)
        private_files.tighten(path)
        assert mode(path) == after
