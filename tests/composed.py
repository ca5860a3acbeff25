"""What ``deploy/compose.yaml`` says."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parent.parent / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NODES = [name for name in SERVICES if name.startswith("node-")]

_VARIABLE = re.compile(r"\$\{(\w+):\?\}")


def variables(value: object) -> set[str]:
    """The variables that must be set for a part of it."""
    return set(_VARIABLE.findall(yaml.safe_dump(value)))


def environment(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service, where the variables are these."""
    return {
        name: _VARIABLE.sub(lambda found: given[found[1]], value)
        for name, value in SERVICES[service]["environment"].items()
    }
