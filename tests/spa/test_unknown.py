"""The app works with a later version of the API: it passes over what it does not know."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.spa.conftest import Account, Device

NEW_FORM = {
    "method": "POST",
    "target": "http://127.0.0.1:1/",
    "properties": [
        {"name": "when", "type": "hologram", "options": {"link": {"href": "http://127.0.0.1:1/"}}},
        {"name": "how", "options": {"inline": ["fast", "slow"]}},
    ],
}


def later(document: Any) -> Any:
    """A document of a later version: every resource in it has more members, links and forms."""
    if isinstance(document, list):
        return [later(each) for each in document]
    if not isinstance(document, dict):
        return document
    changed = {name: later(value) for name, value in document.items()}
    if "_links" in document:
        links = {"attachments": [], "cover": None, "watchers": [{"href": "/a"}, {"href": "/b"}],
                 "bare": "http://127.0.0.1:1/",
                 "more": {"href": "/{x}", "templated": True}}  # fmt: skip
        changed["_links"] = {**document["_links"], **links}
        forms = {
            "schedule": NEW_FORM,
            "bare": {},
            "empty": {"method": "DELETE", "properties": None},
        }
        changed["_templates"] = {**document.get("_templates", {}), **forms}
        changed |= {"colour": "red", "estimate": {"minutes": 5}, "watchers": None, "steps": [[1]]}
    return changed


def rewritten(route: Route) -> None:
    """Answer a request as a later version would, without streams."""
    if "text/event-stream" in route.request.headers["accept"]:
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "application/json"}
        return route.fulfill(body="{}", headers=headers)
    reply = route.fetch()
    if "json" in reply.headers.get("content-type", "") and reply.ok:
        document = later(reply.json())
        for change in list(document.get("changes", [])):
            document["changes"].append({**change, "type": "comment", "uri": "http://127.0.0.1:1/c"})
            document["changes"].append({"type": "reminder", "deleted": True, "uri": None})
        return route.fulfill(response=reply, body=json.dumps(document))
    return route.fulfill(response=reply)


@pytest.mark.parametrize("stream", [True, False])
def test_what_the_app_does_not_know_is_passed_over(
    device: Callable[..., Device], account: Account, stream: bool
) -> None:
    account.make_tasks(account.make_list("Home"), "Milk")
    tab = device().tab()
    tab.page.route(f"{account.root}**", rewritten)
    if stream:
        events = "".join(
            f"event: {event}\ndata: {json.dumps(change)}\nid: {number}\n\n"
            for number, (event, change) in enumerate(
                [
                    ("weather", {"rain": True}),
                    ("change", {"type": "comment", "uri": "http://127.0.0.1:1/c", "deleted": False,
                                "resource": {"text": "New"}}),
                    ("change", {"type": "reminder", "uri": None, "deleted": True}),
                    ("change", {"type": "comment"}),
                ]
            )
        )  # fmt: skip
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/event-stream"}
        once: list[bool] = []

        def feed(route: Route) -> None:
            if once or "text/event-stream" not in route.request.headers["accept"]:
                route.continue_()
            else:
                once.append(True)
                route.fulfill(body=events, headers=headers)

        tab.page.route("**/changes**", feed)
    tab.sign_in(account.name)
    tab.show_list("Home")
    tab.titles("Milk")
    tab.add("Bread")
    tab.edit("Bread", title="Dark bread")
    tab.page.get_by_role("checkbox", name="Done: Milk").click()
    expect(tab.page.get_by_text("1 of 2 done")).to_be_visible()
    account.make_tasks(account.list_called("Home"), "Apples")
    expect(tab.task("Apples")).to_be_visible(timeout=20_000)
    tab.page.locator("#account-button").click()
    expect(tab.page.get_by_role("heading", name="Sessions")).to_be_visible()
    for button in tab.page.locator(".unfold").all():
        button.click()
    tab.page.get_by_role("button", name="Close", exact=True).click()
    tab.show_list("Home")
