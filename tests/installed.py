"""The package as ``pip install`` gets it: a wheel, in a virtual environment of its own."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}
"""Settings of pip: build with what is here. (``0`` turns isolation off, as pip reads it.)"""


def build_wheel(folder: Path) -> Path:
    """The package as it would be published, built without a network."""
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(CHECKOUT))
    (built,) = folder.glob("hyperapi-*.whl")
    return built


def new_environment(folder: Path, *packages: Path) -> Path:
    """The folder of commands of a new environment with these packages in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    commands = lend_libraries(folder)
    pip("--python", str(commands / "python"), "install", "--no-deps", *map(str, packages))
    return commands


def lend_libraries(environment: Path) -> Path:
    """Let an environment find the libraries that this Python has. Return its folder of commands."""
    paths = {"base": str(environment), "platbase": str(environment)}
    modules = Path(sysconfig.get_path("purelib", "venv", paths))
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (modules / "borrowed.pth").write_text("\n".join(sorted(borrowed)))
    return Path(sysconfig.get_path("scripts", "venv", paths))


def pip(*arguments: str) -> None:
    """Run pip without a network."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    ran = subprocess.run(
        [*command, *arguments],
        env={**os.environ, **OFFLINE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
