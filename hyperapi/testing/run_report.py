"""The report of a run on a deployed service: as text, as JSON, and as JUnit's XML."""

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from hyperapi.testing.reports import Violation
from hyperapi.testing.url_run import Outcome, Run

_MOST_REPORTS = 3
"""How many violations of one rule are reported in full."""


def line(outcome: Outcome) -> str:
    """One line about a rule."""
    skipped = sum(map(len, outcome.not_checked.values()))
    more = f", {skipped} not checked" if skipped else ""
    broken = f", {len(outcome.violations)} break it" if outcome.violations else ""
    where = f"{outcome.operations} operations{broken}{more}"
    return f"{outcome.result:<11} {outcome.rule.name} ({where})"


def text(run: Run) -> str:
    """The report behind the lines of the rules."""
    parts = [*_failures(run), *_not_checked(run), summary(run)]
    return "\n\n".join(parts)


def summary(run: Run) -> str:
    """The numbers of a run."""
    passed, failed, skipped = (
        len(run.with_result(each)) for each in ("passed", "failed", "not checked")
    )
    lines = [
        f"{passed} rules passed, {failed} failed, {skipped} not checked.",
        f"{run.requests} requests, {run.accounts} accounts made.",
    ]
    if run.stopped:
        lines.append(f"The run stopped early. {run.stopped}")
    lines += [f"Not removed: {each}" for each in run.left]
    return "\n".join(lines)


def _failures(run: Run) -> Iterator[str]:
    for outcome in run.with_result("failed"):
        for each in outcome.violations[:_MOST_REPORTS]:
            yield f"{'=' * 78}\n{each.with_curl()}"
        if more := outcome.violations[_MOST_REPORTS:]:
            others = ", ".join(each.where for each in more)
            yield f"These break {outcome.rule.name} too: {others}"


def _not_checked(run: Run) -> Iterator[str]:
    lines = []
    for outcome in run.outcomes:
        for reason, operations in outcome.not_checked.items():
            whole = outcome.result == "not checked"
            where = "" if whole and len(outcome.not_checked) == 1 else f" at {_some(operations)}"
            lines.append(f"  {outcome.rule.name}{where}: {reason}")
    if lines:
        yield "\n".join(["Not checked:", *lines])


def _some(operations: list[str]) -> str:
    """The first operations by name, and how many more there are."""
    more = len(operations) - 3
    named = ", ".join(operations[:3])
    return f"{named} and {more} more" if more > 0 else named


def as_json(run: Run) -> str:
    """The whole run as JSON."""
    told = {
        "url": run.url,
        "requests": run.requests,
        "waited": run.waited,
        "accounts": run.accounts,
        "stopped": run.stopped or None,
        "not_removed": run.left,
        "rules": [_outcome(each) for each in run.outcomes],
    }
    return json.dumps(told, indent=1, ensure_ascii=False)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.rule.name,
        "rule": outcome.rule.clause,
        "result": outcome.result,
        "operations": outcome.operations,
        "failures": [_violation(each) for each in outcome.violations],
        "not_checked": outcome.not_checked,
    }


def _violation(violation: Violation) -> dict[str, Any]:
    return {"operation": violation.where, "report": violation.with_curl()}


def as_junit(run: Run) -> str:
    """The run in the XML of JUnit, which build servers read: one test case for each rule."""
    suite = ElementTree.Element("testsuite", name="hyperapi-rules")
    for outcome in run.outcomes:
        case = ElementTree.SubElement(suite, "testcase", classname=run.url, name=outcome.rule.name)
        if outcome.violations:
            failure = ElementTree.SubElement(case, "failure", message=outcome.rule.clause)
            failure.text = "\n\n".join(each.with_curl() for each in outcome.violations)
        elif outcome.result == "not checked":
            ElementTree.SubElement(case, "skipped", message="; ".join(outcome.not_checked))
    suite.set("tests", str(len(run.outcomes)))
    suite.set("failures", str(len(run.with_result("failed"))))
    suite.set("skipped", str(len(run.with_result("not checked"))))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
