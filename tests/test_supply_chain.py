"""Requirements: pinned with hashes, listed in the SBOM, and looked up in advisories."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import hatchling.build
import pytest
from packaging.requirements import Requirement

from tests.auditing import CLEAN, UNKNOWN, VULNERABLE, Findings, audit
from tests.serving import PATIENCE

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DISTRIBUTIONS = (".", "clients/python")
LOCKS = sorted(ROOT.glob("requirements*.txt"))
COMMANDS = {
    name: (ROOT / name).read_text().replace("\\\n", " ")
    for name in ("Makefile", "deploy/Containerfile")
}


def pinned(lock: Path) -> dict[str, tuple[str, set[str]]]:
    """What a file pins: names, each with its version and hashes."""
    text = lock.read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement, *hashes = line.split("--hash=")
            name, _, version = requirement.partition(";")[0].strip().partition("==")
            assert version, line
            found[name] = (version, {each.strip() for each in hashes})
    return found


def tool(name: str) -> Path:
    """A command of the tools, which are here in CI."""
    command = Path(sys.executable).with_name(name)
    if not command.exists():
        assert not os.environ.get("CI"), f"{name} is missing, and must not be here"
        pytest.skip(f"{name} is missing: THE SUPPLY CHAIN WAS NOT TRIED")
    return command


# -- pins


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_has_a_version_and_hashes_and_comes_from_no_index_by_name(
    lock: Path,
) -> None:
    found = pinned(lock)
    assert found
    for name, (_, hashes) in found.items():
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), name
    assert not re.search(r"://|--(extra-)?index-url|--find-links", lock.read_text())


def test_all_files_pin_the_same_versions() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, (version, _) in pinned(lock).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_what_a_build_needs_is_pinned(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / folder)
    system = tomllib.loads(Path("pyproject.toml").read_text())["build-system"]
    assert set(system["requires"]) <= set(PROJECT["dependency-groups"]["build"])
    there = pinned(ROOT / "requirements-build.txt")
    wanted = [
        *system["requires"],
        *hatchling.build.get_requires_for_build_wheel(),
        *hatchling.build.get_requires_for_build_editable(),
    ]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(there[requirement.name][0]), requirement


@pytest.mark.parametrize("name", COMMANDS)
def test_pip_installs_nothing_without_a_hash(name: str) -> None:
    found = re.findall(r"(?:pip|\$\(PIP\)) (?:install|wheel) ([^\n)]*)", COMMANDS[name])
    assert found
    for options in map(str.split, found):
        assert "--no-deps" in options
        built = options[-1] == "dist/*.whl"
        assert built or {"--require-hashes", "--no-build-isolation"} & set(options), options


# -- the SBOM


def test_the_sbom_lists_every_pinned_requirement_with_its_hashes_and_nothing_of_this_machine(
    tmp_path: Path,
) -> None:
    texts = {_sbom(name, tmp_path / Path(name).name) for name in COMMANDS}
    (text,) = texts  # `make sbom` and the image write the same, wherever they do it
    assert str(tmp_path) not in text
    assert sys.prefix not in text
    sbom = json.loads(text)
    assert sbom["bomFormat"] == "CycloneDX"
    assert sbom["metadata"]["component"]["name"] == "hyperapi"
    assert {each["name"]: _described(each) for each in sbom["components"]} == {
        name: (version, f"pkg:pypi/{name}@{version}", hashes)
        for name, (version, hashes) in pinned(ROOT / "requirements-deploy.txt").items()
    }


def _sbom(name: str, folder: Path) -> str:
    """What the command of a file writes, run in a folder of its own."""
    options = re.search(r"cyclonedx-py (requirements .*)", COMMANDS[name])
    assert options is not None
    arguments = [re.sub(r"^.*\.json$", "sbom.json", each) for each in shlex.split(options[1])]
    folder.mkdir()
    for source in ("pyproject.toml", "README.md", "LICENSE", arguments[-1]):
        shutil.copy(ROOT / source, folder)
    subprocess.run(
        [tool("cyclonedx-py"), *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=10 * PATIENCE,  # it takes seconds, and many on a busy machine
    )
    return (folder / "sbom.json").read_text()


def _described(component: dict[str, Any]) -> tuple[str, str, set[str]]:
    hashes = {
        f"{each['alg'].replace('-', '').lower()}:{each['content']}"
        for reference in component["externalReferences"]
        for each in reference["hashes"]
    }
    return component["version"], component["purl"], hashes


# -- the audit

VULNERABILITY = {
    "id": "GHSA-test",
    "summary": "An advisory of this test's.",
    "affected": [
        {
            "package": {"name": "click", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
        }
    ],
}


@contextmanager
def advisories(**known: Any) -> Iterator[str]:
    """A service of advisories like OSV's, which knows these packages; its URL."""

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked = json.loads(self.rfile.read(length))["package"]["name"]
            reply = json.dumps({"vulns": [known[asked]]} if asked in known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()


def _audit(url: str) -> Findings:
    tool("pip-audit")
    return audit([ROOT / "requirements.txt"], "--vulnerability-service=osv", f"--osv-url={url}")


def test_an_audit_without_findings_looked_up_every_pinned_package() -> None:
    with advisories() as url:
        found = _audit(url)
    assert found.status == CLEAN
    assert {each.split()[0] for each in found.clean} == set(pinned(ROOT / "requirements.txt"))


def test_an_audit_names_the_package_and_its_advisory() -> None:
    with advisories(click=VULNERABILITY) as url:
        found = _audit(url)
    assert found.status == VULNERABLE
    version, _ = pinned(ROOT / "requirements.txt")["click"]
    assert f"vulnerable: click {version}: GHSA-test" in found.report()


def test_an_audit_without_its_service_says_so_and_is_no_success() -> None:
    with advisories() as url:
        pass
    found = _audit(url)
    assert found.status == UNKNOWN
    assert "INCOMPLETE" in found.report()
    assert "could not be reached" in found.report()


def test_a_package_that_was_not_looked_up_is_no_success() -> None:
    found = Findings(clean={"click 1"}, skipped={"flask"})
    assert found.status == UNKNOWN
    assert "flask" in found.report()
    assert Findings().status == UNKNOWN


# -- JavaScript


@pytest.mark.parametrize("folder", ["tests/js", "benchmarks/fastify"])
def test_packages_of_javascript_have_exact_versions_and_hashes_and_no_address(folder: str) -> None:
    wanted = json.loads((ROOT / folder / "package.json").read_text())
    named = {**wanted.get("dependencies", {}), **wanted.get("devDependencies", {})}
    assert all(re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", version) for version in named.values())
    locked = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    assert {f"node_modules/{name}" for name in named} <= set(locked)
    for path, package in locked.items():
        assert "resolved" not in package
        assert not path or package["integrity"].startswith("sha512-"), path
