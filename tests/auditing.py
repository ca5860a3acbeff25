"""Looks for known vulnerabilities in every requirement that is pinned, with pip-audit.

    python -m tests.auditing [options of pip-audit, as -s osv]

The exit status is 0 when every package was looked up and none has a known vulnerability, 1 when one
has, and 3 when advisories of some packages could not be had: pip-audit alone calls that a success.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3

_PIP_AUDIT = Path(sys.executable).with_name("pip-audit")
_OPTIONS = ("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json")


@dataclass
class Findings:
    """The result of an audit: for each package its name, version and advisories."""

    clean: set[str] = field(default_factory=set)
    vulnerable: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    failure: str = ""

    @property
    def status(self) -> int:
        """The exit status."""
        if self.vulnerable:
            return VULNERABLE
        return UNKNOWN if self.skipped or self.failure or not self.clean else CLEAN

    def report(self) -> str:
        """The result as lines of text."""
        lines = [f"vulnerable: {each}" for each in sorted(self.vulnerable)]
        if self.failure:
            lines.append(f"The advisory service could not be reached: {self.failure}")
        if self.skipped:
            lines.append(f"No advisories could be had of: {', '.join(sorted(self.skipped))}")
        if self.status == UNKNOWN:
            lines.append("The audit is INCOMPLETE. Repeat it where the service can be reached.")
        lines.append(f"Packages without a known vulnerability: {len(self.clean)}")
        return "\n".join(lines)


def audit(files: Sequence[Path], *options: str) -> Findings:
    """Ask pip-audit about all that ``files`` pin.

    :param options: further ones of pip-audit.
    """
    named = [f"--requirement={each}" for each in files]
    ran = subprocess.run(
        [_PIP_AUDIT, *_OPTIONS, *named, *options], capture_output=True, text=True, check=False
    )
    try:
        report = json.loads(ran.stdout)
    except ValueError:
        said = ran.stderr.strip() or f"pip-audit ended with status {ran.returncode}"
        return Findings(failure=said.splitlines()[-1])
    found = Findings()
    for package in report["dependencies"]:
        if "skip_reason" in package:
            found.skipped.add(package["name"])
        elif advisories := [each["id"] for each in package["vulns"]]:
            found.vulnerable.add(f"{package['name']} {package['version']}: {', '.join(advisories)}")
        else:
            found.clean.add(f"{package['name']} {package['version']}")
    return found


def main() -> int:
    """Audit the project; the exit status."""
    found = audit(sorted(REPOSITORY.glob("requirements*.txt")), *sys.argv[1:])
    print(found.report())
    return found.status


if __name__ == "__main__":
    sys.exit(main())
