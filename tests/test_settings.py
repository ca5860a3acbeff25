"""Settings: read from the environment and .env, wrong ones named, the example file in step."""

import os
import re
import secrets
import stat
import textwrap
from dataclasses import fields
from pathlib import Path

import pytest
from dotenv import dotenv_values

from hyperapi import Settings, create_app
from hyperapi.common.secret_keys import weakness
from hyperapi.settings import KeysError, SettingsError, unknown_settings, variable
from hyperapi.state import state_of
from tests.conftest import NEW_KEY, OLD_KEY

EXAMPLE = Path(__file__).parent.with_name(".env.example")
HEADER = """\
# Every setting of hyperapi, with its meaning and its default.
#
# Copy this file to .env in the working folder of hyperapi, and remove the # of the settings that
# you change. The environment wins over that file. Durations are in seconds. A limit is 10/minute,
# several are 60/hour;5/second, and an empty value is no limit.
"""


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to start in, and no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("HYPERAPI_"):
            monkeypatch.delenv(name)


# -- the example file


def example() -> str:
    """The example file as it should be. To write it:

    python -c 'from tests.test_settings import example; print(example(), end="")' > .env.example
    """
    parts = [HEADER]
    for each in fields(Settings):
        meaning = textwrap.wrap(each.metadata["help"], 97, break_on_hyphens=False)
        parts.append("".join(f"# {line}\n" for line in meaning))
        parts[-1] += f"#{variable(each)}={each.metadata['default']}\n"
    return "\n".join(parts)


def test_the_example_file_holds_every_setting_with_its_meaning_and_default() -> None:
    assert EXAMPLE.read_text() == example()


def test_the_example_file_with_nothing_commented_out_changes_nothing(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text().splitlines()
    taken = [line.removeprefix("#") for line in lines if line.startswith("#HYPERAPI_")]
    (tmp_path / ".env").write_text("\n".join(taken))
    assert dotenv_values(".env").keys() == {variable(each) for each in fields(Settings)}
    assert Settings.read() == Settings.read({})


def test_every_setting_says_what_it_means() -> None:
    for each in fields(Settings):
        meaning = each.metadata["help"]
        assert len(meaning) > 10
        assert not meaning.endswith(".")


# -- where settings come from


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERAPI_PORT", "8080")
    monkeypatch.setenv("HYPERAPI_TRUSTED_HOSTS", "todo.example.org, .example.com")
    settings = Settings.read()
    assert settings.port == 8080
    assert settings.trusted_hosts == ("todo.example.org", ".example.com")


def test_settings_come_from_dot_env_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "# a comment\nHYPERAPI_PORT=8080\nHYPERAPI_HOST='0.0.0.0'\nOTHER=1\n"
    )
    monkeypatch.setenv("HYPERAPI_PORT", "9090")
    settings = Settings.read()
    assert (settings.host, settings.port) == ("0.0.0.0", 9090)


def test_a_misspelt_setting_is_found() -> None:
    environment = {"HYPERAPI_PROT": "1", "HYPERAPI_PORT": "1", "PATH": "x", "HYPERAPI_": ""}
    assert unknown_settings(environment) == ["HYPERAPI_", "HYPERAPI_PROT"]


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("require_if_match", "TRUE", True),
        ("require_if_match", "no", False),
        ("cors_origins", "https://a.example, http://localhost:8000", 2),
        ("cors_origins", "", 0),
        ("security_contact", "", 0),
        ("security_contact", "mailto:a@example.org, HTTPS://example.org/a%2Cb", 2),
        ("register_limit", "", 0),
        ("register_limit", "60/hour;5/second", 2),
        ("public_url", "https://example.org/todo/", "https://example.org/todo"),
        ("database_url", "postgres://u:p@db/todo", "postgresql+psycopg://u:p@db/todo"),
        ("secret_keys", f"{OLD_KEY}, {NEW_KEY},", (OLD_KEY, NEW_KEY)),
    ],
)
def test_a_setting_is_read_as_what_it_is(name: str, value: str, read: object) -> None:
    environment = {"HYPERAPI_SECRET_KEYS": OLD_KEY, f"HYPERAPI_{name.upper()}": value}
    found = getattr(Settings.read(environment), name)
    assert (len(found) if isinstance(read, int) and isinstance(found, tuple) else found) == read


# -- wrong ones

WRONG = [
    ("port", ["", "http", "-1", "65536", "5000.0", "0x10", "\N{ARABIC-INDIC DIGIT FIVE}000"]),
    ("workers", ["-1", "257", "many"]),
    ("threads", ["-1", "", "1001"]),
    ("busy_timeout", ["0", "61", "1s"]),
    ("hashers", ["0"]),
    ("hashing_memory", ["7", "64M"]),
    ("hashing_rounds", ["0"]),
    ("trusted_proxies", ["-1", "11", "yes"]),
    ("access_token_lifetime", ["0", "1h", "86401"]),
    ("refresh_token_lifetime", ["0", "99999999999"]),
    ("max_sessions", ["0"]),
    ("registration", ["", "Open", "maybe"]),
    ("require_if_match", ["", "maybe"]),
    ("sign_in_limit", ["10", "often", "10 per", "-1/minute", "10/fortnight", "10/minute;x"]),
    ("request_limit", ["ten/minute"]),
    ("public_url", ["todo.example.org", "ftp://example.org", "https://", "https://x/?a=1", "/x"]),
    (
        "security_contact",
        [
            "security@example.org",
            "http://example.org/security",
            "mailto:",
            "mailto:security",
            "mailto:a@b@example.org",
            "mailto:security@example.org\nExpires: 2000-01-01T00:00:00Z",
            "mailto:s\N{LATIN SMALL LETTER E WITH ACUTE}curit@example.org",
            "https://",
            "https://[::1",
            "https://example.org:99999/",
            "https://example.org/a b",
            "https://example.org/%zz",
            "mailto:security@example.org,x",
        ],
    ),
    ("cors_origins", ["example.org", "https://example.org/path", "*.example.org"]),
    ("database_url", ["todo.db", "mysql://db/todo", "sqlite://", "sqlite:///:memory:", "x://"]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG for value in values]
)
def test_a_wrong_value_is_refused_by_name_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({f"HYPERAPI_{name.upper()}": value})
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"HYPERAPI_{name.upper()} must ")


def test_a_secret_is_not_repeated_when_it_is_wrong_or_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({"HYPERAPI_DATABASE_URL": "mysql://root:hunter2@db/todo"})
    assert "hunter2" not in str(refused.value)
    url = "postgresql://root:hunter2@db/todo"
    settings = Settings.read({"HYPERAPI_DATABASE_URL": url, "HYPERAPI_SECRET_KEYS": OLD_KEY})
    assert "hunter2" not in repr(settings)
    assert OLD_KEY not in repr(settings)


# -- keys and places


def test_a_key_must_be_given_when_the_database_is_not_the_embedded_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({"HYPERAPI_DATABASE_URL": "postgresql://db/todo"})
    assert str(refused.value).startswith("HYPERAPI_SECRET_KEYS must be set ")
    assert list(tmp_path.iterdir()) == []


def test_the_key_beside_the_embedded_database_is_made_once_and_kept(tmp_path: Path) -> None:
    first, again = Settings.read({}), Settings.read({})
    assert first.secret_keys == again.secret_keys
    (key,) = first.secret_keys
    assert len(key) >= 32
    path = tmp_path / "instance" / "secret_key"
    assert path.read_text().split() == [key]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700  # the database holds people's tasks
    assert [each.name for each in path.parent.iterdir()] == ["secret_key"]  # no drafts are left


WEAK = [
    ("a", "is shorter than 32 bytes"),
    (OLD_KEY[:31], "is shorter than 32 bytes"),
    ("x" * 64, "repeats itself"),
    ("password" * 8, "repeats itself"),
    ("12345678901234567890" * 3, "repeats itself"),
    ("change-me-to-something-of-at-least-32-characters", "is a placeholder"),
    ("CHANGE_ME", "is a placeholder"),
    ("replace this with a long random text of yours", "is a placeholder"),
    ("your-secret-key-goes-here-and-nowhere-else", "is a placeholder"),
]


@pytest.mark.parametrize(("key", "fault"), WEAK)
@pytest.mark.parametrize("ring", ["{}", f"{{}},{NEW_KEY}", f"{NEW_KEY},{{}}"])
def test_a_weak_key_is_refused_in_one_line_wherever_on_the_ring(
    key: str, fault: str, ring: str
) -> None:
    with pytest.raises(KeysError) as refused:
        Settings.read({"HYPERAPI_SECRET_KEYS": ring.format(key)})
    (line,) = str(refused.value).splitlines()
    assert line.startswith("HYPERAPI_SECRET_KEYS has a key ")
    assert fault in line
    assert "hyperapi keys new" in line
    assert NEW_KEY not in line
    assert len(key) == 1 or key not in line


def test_a_weak_key_in_the_file_of_keys_is_refused_too(tmp_path: Path) -> None:
    (good,) = Settings.read({}).secret_keys
    kept = tmp_path / "instance" / "secret_key"
    kept.write_text(f"short\n{good}\n")
    with pytest.raises(KeysError, match=re.escape(f"{kept} has a key (number 1) that is shorter")):
        Settings.read({})


def test_keys_that_are_made_are_strong() -> None:
    for _ in range(200):
        for key in (secrets.token_urlsafe(32), secrets.token_hex(16), secrets.token_hex(32)):
            assert weakness(key) is None


def test_a_file_of_keys_without_a_key_is_refused(tmp_path: Path) -> None:
    Settings.read({})
    (tmp_path / "instance" / "secret_key").write_text("\n")
    with pytest.raises(KeysError, match="is empty"):
        Settings.read({})


def test_every_key_that_is_written_down_in_the_project_is_refused() -> None:
    root = EXAMPLE.parent
    files = [
        EXAMPLE,
        root / "README.md",
        *(root / "deploy").rglob("*"),
        *(root / "docs").rglob("*.md"),
    ]
    assigned = re.compile(r"SECRET_KEYS?\s*[=:]\s*[\"']?([^\s\"'`|]+)")
    found = [key for path in files if path.is_file() for key in assigned.findall(path.read_text())]
    for key in found:
        assert weakness(key) is not None, key


def test_every_place_has_a_key_of_its_own(tmp_path: Path) -> None:
    keys = {Settings.read({"HYPERAPI_INSTANCE": str(tmp_path / name)}).secret_keys for name in "ab"}
    assert len(keys) == 2


def test_an_instance_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as refused:
        Settings.read({"HYPERAPI_INSTANCE": str(tmp_path / "file" / "below")})
    assert str(refused.value).startswith("HYPERAPI_INSTANCE cannot be used: ")


def test_relative_places_do_not_move_when_the_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = Settings.read({"HYPERAPI_DATABASE_URL": "sqlite:///todo.db"})
    monkeypatch.chdir(elsewhere)
    assert settings.database_url == f"sqlite:///{tmp_path}/todo.db"
    assert settings.instance == str(tmp_path / "instance")


def test_the_command_and_its_workers_read_the_same_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HYPERAPI_TRUSTED_HOSTS=todo.example.org\n")
    worker = create_app()  # as each worker does
    assert state_of(worker).settings == Settings.read()
    assert state_of(worker).settings.trusted_hosts == ("todo.example.org",)


# -- a file of settings in another encoding


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("HYPERAPI_PORT=5001\n".encode("utf-16"), ".env is in UTF-16: save it as UTF-8"),
        ("HYPERAPI_PORT=5001\n".encode("utf-16-be"), ".env is in UTF-16: save it as UTF-8"),
        ("HYPERAPI_PORT=5001\n".encode("utf-16-le"), ".env is in UTF-16: save it as UTF-8"),
        ("HYPERAPI_PORT=5001\n".encode("utf-32"), ".env is in UTF-32: save it as UTF-8"),
        ("HYPERAPI_HOST=\xe9\n".encode("latin-1"), ".env is not UTF-8 (byte 15): save it as UTF-8"),
        (b"HYPERAPI_SECRET_KEYS=a\0b\n", ".env contains NUL"),
    ],
)
def test_a_file_that_is_not_text_is_named_with_its_encoding(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        Settings.read()
    assert str(refused.value) == said


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HYPERAPI_PORT=5001\n", encoding="utf-8-sig")
    assert Settings.read().port == 5001


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match=r"^\.env cannot be read: Is a directory$"):
        Settings.read()


def test_a_working_folder_of_another_user_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0)
    was = os.geteuid()
    try:
        if was == 0:
            os.seteuid(65534)  # permissions do not bind root
        with pytest.raises(SettingsError, match=r"^\.env cannot be read: Permission denied$"):
            Settings.read()
    finally:
        if was == 0:
            os.seteuid(was)
        tmp_path.chmod(0o700)


def test_a_file_of_keys_that_is_not_text_is_named(tmp_path: Path) -> None:
    key = tmp_path / "secret_key"
    key.write_bytes("x".encode("utf-16"))
    with pytest.raises(SettingsError, match=r"secret_key is in UTF-16"):
        Settings.read({"HYPERAPI_INSTANCE": str(tmp_path)})
