"""The files of ``deploy/``, as far as they can be held to something without what they are for."""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from hyperapi.__main__ import commands
from hyperapi.settings import OF_THE_SANDBOX, Settings, unknown_settings, variable
from tests import nginx
from tests.client.test_docs import blocks
from tests.composed import COMPOSE, DEPLOY, NODES, SERVICES, environment, variables
from tests.conftest import SECRET_KEY
from tests.serving import PATIENCE, serve, shim

ROOT = DEPLOY.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
UNIT = (DEPLOY / "systemd" / "hyperapi@.service").read_text()
INSTRUCTIONS = [
    (line.split()[0], line.partition(" ")[2].strip())
    for line in (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]
EXAMPLE = dict(
    line.split("=", 1)
    for line in (DEPLOY / "compose.env.example").read_text().splitlines()
    if line and not line.startswith("#")
)
FILLED_IN = {name: value or secrets.token_urlsafe(32) for name, value in EXAMPLE.items()}


def instructions(name: str) -> list[str]:
    """What the Containerfile says after each of one kind of instruction."""
    return [rest for found, rest in INSTRUCTIONS if found == name]


# -- the compose file


def test_nodes_are_given_settings_that_there_are_and_that_fit_together() -> None:
    assert len(NODES) == 2
    for name in NODES:
        chosen = environment(name, FILLED_IN)
        assert unknown_settings(chosen) == []
        settings = Settings.read(chosen)
        assert not settings.embedded
        assert settings.trusted_proxies == 1
        assert settings.public_url == f"https://{EXAMPLE['PUBLIC_NAME']}"
        for part in ("database_url", "rate_limit_storage"):
            host = re.search(r"(?:@|//)(\w+)(?::\d+)?/", getattr(settings, part))
            assert host is not None
            assert host[1] in SERVICES


def test_the_example_has_every_variable_that_is_asked_for_and_no_other() -> None:
    assert variables(COMPOSE) == set(EXAMPLE)
    secret = [EXAMPLE["SECRET_KEYS"], EXAMPLE["POSTGRES_PASSWORD"]]
    assert secret == ["", ""]  # compose refuses to start until they are filled in


def test_nodes_get_every_setting_that_stands_beside_the_variables() -> None:
    for name in ("upgrade", *NODES):
        assert SERVICES[name]["env_file"] == "compose.env"
    assert "--env-file deploy/compose.env " in (DEPLOY / "compose.yaml").read_text()


def test_services_wait_for_those_that_there_are_and_that_can_tell_when_they_are_ready() -> None:
    for service in SERVICES.values():
        wanted = service.get("depends_on", {})
        assert set(wanted) <= set(SERVICES)
        for other, how in wanted.items() if isinstance(wanted, dict) else ():
            if how["condition"] == "service_healthy":
                assert SERVICES[other]["healthcheck"]["test"][0] == "CMD"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"] == "on-failure"


def test_images_are_built_here_or_named_in_full_with_their_version() -> None:
    for service in SERVICES.values():
        if "build" in service:
            build = service["build"]
            assert (DEPLOY / build["context"]).resolve() == ROOT
            assert (ROOT / build["dockerfile"]).is_file()
        else:
            assert re.fullmatch(r"docker\.io/library/\w+:[0-9.]+", service["image"])


def test_volumes_are_declared_or_files_of_this_folder() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):  # certificates are for the operator to put there
                assert (DEPLOY / source).exists() or source == "./certificates"
            else:
                assert source in COMPOSE["volumes"]


def test_nodes_have_the_time_that_they_need_to_end() -> None:
    patience = int(SERVICES[NODES[0]]["stop_grace_period"].removesuffix("s"))
    drain = int(environment(NODES[0], FILLED_IN)["HYPERAPI_DRAIN_DELAY"])
    assert patience > drain + 30
    assert int(found(r"TimeoutStopSec=(\d+)", UNIT)) > int(found(r"DRAIN_DELAY=(\d+)", UNIT)) + 30


def found(pattern: str, text: str) -> str:
    """What a pattern finds."""
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match[1]


def test_the_site_is_rewritten_for_the_nodes_names(tmp_path: Path) -> None:
    shell, option, script = SERVICES["nginx"]["command"]
    rewrite, _, start = script.replace("$$", "$").partition(" && ")
    assert (shell, option) == ("sh", "-c")
    assert start.startswith("exec nginx")
    rewrite = rewrite.replace("/etc/hyperapi.conf", shlex.quote(str(nginx.SITE)))
    rewrite = rewrite.replace("/etc/nginx/conf.d/default.conf", shlex.quote(str(tmp_path / "site")))
    names = {**os.environ, "PUBLIC_NAME": "tasks.example.net"}
    subprocess.run([shell, option, rewrite], env=names, check=True, timeout=PATIENCE)
    site = (tmp_path / "site").read_text()
    port = instructions("EXPOSE")[0]
    assert re.findall(r"^ +server (\S+)", site, re.MULTILINE) == [
        f"{name}:{port}" for name in NODES
    ]
    assert site.count("server_name tasks.example.net;") == 2
    assert "todo.example.org" not in site
    assert "127.0.0.1" not in site
    for line in SERVICES["nginx"]["volumes"]:
        assert line.split(":")[1] in script + site


# -- the Containerfile


def test_the_image_can_be_built_from_what_is_copied_into_it(tmp_path: Path) -> None:
    for words in (line.split() for line in instructions("COPY")):
        if words[0].startswith("--from="):
            assert f" AS {words[0].removeprefix('--from=')}" in instructions("FROM")[0]
            continue
        *sources, target = words
        for source in sources:
            place = tmp_path / target / (Path(source).name if target.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, place)
    named = {word for line in instructions("RUN") for word in line.split() if ".t" in word}
    assert "requirements-deploy.txt" in named
    assert [each for each in named if not (tmp_path / each).is_file()] == []
    (build,) = (line for line in instructions("RUN") if "pip wheel" in line)
    subprocess.run(
        [sys.executable, "-m", "pip", *build.split()[1:]],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    (wheel,) = tmp_path.glob("dist/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "hyperapi/migrations/env.py" in archive.namelist()


def test_the_image_runs_a_command_that_there_is_as_nobody_with_settings_that_there_are() -> None:
    (entry,), (command,) = (json.loads(instructions(name)[0]) for name in ("ENTRYPOINT", "CMD"))
    assert entry in PROJECT["project"]["scripts"]
    assert command == "serve"
    assert instructions("USER") == ["65534:65534"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    chosen = dict(re.findall(r"(\w+)=(\S+)", " ".join(instructions("ENV"))))
    assert unknown_settings(chosen) == []
    assert Settings.read({**chosen, "HYPERAPI_INSTANCE": "x", "HYPERAPI_SECRET_KEYS": SECRET_KEY})
    assert instructions("VOLUME") == instructions("WORKDIR")[1:] == [chosen["HYPERAPI_INSTANCE"]]
    (port,) = (each.metadata["default"] for each in fields(Settings) if each.name == "port")
    assert instructions("EXPOSE") == [port]
    for extra in ("postgres", "redis", "metrics"):
        for requirement in PROJECT["project"]["optional-dependencies"][extra]:
            name = found(r"([\w-]+)", requirement)
            assert f"\n{name.lower()}" in (ROOT / "requirements-deploy.txt").read_text().lower()


def test_the_image_is_a_sandbox_for_ci_services_as_the_page_shows() -> None:
    chosen = dict(re.findall(r"(HYPERAPI_SANDBOX_\w+)=(\S+)", " ".join(instructions("ENV"))))
    port = instructions("EXPOSE")[0]
    assert chosen == {"HYPERAPI_SANDBOX_HOST": "0.0.0.0", "HYPERAPI_SANDBOX_PORT": port}
    compose, actions, gitlab = blocks("docs/testing.md", "yaml")
    page = compose + actions + gitlab
    assert set(re.findall(r"HYPERAPI_\w+", page)) <= OF_THE_SANDBOX
    composed = yaml.safe_load(compose)["services"]["hyperapi"]
    asked = yaml.safe_load(actions)["jobs"]["test"]["services"]["hyperapi"]
    (named,) = yaml.safe_load(gitlab)["test"]["services"]
    assert (composed["command"], asked["command"], named["command"]) == (
        ["sandbox"],
        "sandbox",
        ["sandbox"],
    )
    assert [each.rpartition(":")[2] for each in composed["ports"] + asked["ports"]] == [port] * 2
    assert "sandbox" in commands.commands


def test_the_image_tells_whether_it_is_ready(tmp_path: Path) -> None:
    check = json.loads(instructions("HEALTHCHECK")[0].partition(" CMD ")[2])
    assert check[0] == "python"
    with serve(tmp_path, workers="1") as server:
        asked = [each.replace("127.0.0.1:5000", server.url[7:]) for each in check[1:]]
        assert asked != check[1:]
        ask = [sys.executable, *asked]
        assert subprocess.run(ask, check=False, timeout=PATIENCE).returncode == 0
    ended = subprocess.run(ask, check=False, timeout=PATIENCE, capture_output=True)
    assert ended.returncode != 0


# -- nginx and systemd


def test_nginx_takes_the_site_as_it_is_without_a_warning(tmp_path: Path) -> None:
    said = nginx.Server(nginx.program(), tmp_path, [5001, 5002]).examine()
    assert "warn" not in said


def test_systemd_takes_the_unit_as_it_is_without_a_warning(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        assert not os.environ.get("CI"), "systemd-analyze is missing, and must not be here"
        pytest.skip("systemd-analyze is missing: THE UNIT WAS NOT TRIED")
    command = shim(tmp_path / "bin") / "hyperapi"
    unit = tmp_path / "hyperapi@5001.service"
    assert UNIT.count("=/opt/hyperapi/bin/hyperapi ") == 2
    unit.write_text(UNIT.replace("/opt/hyperapi/bin/hyperapi", str(command)))
    ran = subprocess.run(
        [program, "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_unit_has_settings_that_there_are() -> None:
    chosen = dict(re.findall(r"(HYPERAPI_\w+)=(\S+)", UNIT))
    assert set(chosen) == {"HYPERAPI_HOST", "HYPERAPI_PORT", "HYPERAPI_DRAIN_DELAY"}
    known = {variable(each) for each in fields(Settings)}
    assert set(re.findall(r"HYPERAPI_\w+", UNIT + nginx.SITE.read_text())) <= known
