"""Pages: what a person sees, and what no text in them can do."""

import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from typing import Any

import pytest

from hyperapi.representations.html import MEDIA_TYPE, content_security_policy, name_of, shape
from hyperapi.representations.relations import MEANINGS
from hyperapi.representations.resource import Entry, Resource
from hyperapi.representations.resource_type import ResourceType
from hyperapi.representations.site import Script, Site
from tests.representations.examples import (
    BASE,
    CHANGES_TYPE,
    EMPTY_PAGE,
    GOLDEN,
    PAGE,
    TASK_TYPE,
    task,
)
from tests.representations.test_hal_forms import FULL_PAGE

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></textarea><h1>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "\u202eevil \u2066 \U0001f6d2",
    "`code` & <code>",
    "漢" * 200,
    "e" + "\u0301" * 150,
]
STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class Page(HTMLParser):
    """What a browser makes of a page: its elements, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "hr", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    @property
    def links(self) -> dict[str, str]:
        """Targets by relation."""
        return {
            str(each.get("rel", "")): str(each["href"]) for tag, each in self.elements if tag == "a"
        }


def test_a_page_looks_like_this() -> None:
    assert STYLE.sub("", shape(FULL_PAGE)) == (GOLDEN / "page.html").read_text()


def test_every_element_is_closed() -> None:
    for resource in (FULL_PAGE, EMPTY_PAGE, task(2, "Milk", done=True)):
        assert Page(shape(resource)).open == []


def test_i_can_click_to_wherever_there_is_a_link() -> None:
    links = Page(shape(PAGE)).links
    assert links["next"] == PAGE.links["next"]
    assert "prev" not in links
    assert links["item"] == (PAGE.items or [])[-1].uri
    assert links["service-desc"] == f"{BASE}/openapi.json"


def test_links_say_what_they_mean() -> None:
    text = Page(shape(PAGE)).text
    assert MEANINGS["service-desc"] in text
    assert MEANINGS["search"] in text
    assert f"{BASE}/tasks{{?q,tag*}}" in text


def test_forms_are_shown_and_cannot_be_sent() -> None:
    page = Page(shape(FULL_PAGE))
    assert "Add a task" in page.text
    assert "at most 200 characters" in page.text
    assert {"form", "input", "button", "script"}.isdisjoint(tag for tag, _ in page.elements)


def test_an_empty_page_says_that_there_is_nothing() -> None:
    assert "Nothing here." in Page(shape(EMPTY_PAGE)).text


def test_a_feed_leads_to_what_changed() -> None:
    milk, gone = {"uri": f"{BASE}/tasks/2", "deleted": False}, {"uri": "urn:x", "deleted": True}
    entries = [Entry(milk, task(2, "Milk", done=False)), Entry(gone, None)]
    page = Page(shape(Resource(CHANGES_TYPE, f"{BASE}/changes", {"more": False}, entries=entries)))
    assert page.links[""] == "urn:x"
    assert "Milk" in page.text


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(text: str) -> None:
    members = {"title": text, "description": text, "tags": [text], "note": text}
    item = Resource(TASK_TYPE, f"{BASE}/tasks/1", members)
    for resource in (item, replace(PAGE, members=members, items=[item])):
        page, harmless = Page(shape(resource)), Page(shape(harmless_like(resource)))
        assert page.elements == harmless.elements
        assert page.text.count(text) >= 4


def harmless_like(resource: Resource) -> Resource:
    """The same, with a plain word for every text."""
    plain = {"title": "word", "description": "word", "tags": ["word"], "note": "word"}
    items = resource.items and [Resource(TASK_TYPE, item.uri, plain) for item in resource.items]
    return replace(resource, members=plain, items=items)


@pytest.mark.parametrize("text", [*HOSTILE, "https://example.org/", "2030-01-31T09:00:00Z"])
def test_text_is_neither_a_link_nor_an_instant_whatever_it_looks_like(text: str) -> None:
    page = Page(shape(Resource(TASK_TYPE, f"{BASE}/x", {"note": text})))
    assert page.links == {}
    assert "time" not in {tag for tag, _ in page.elements}


def test_members_that_the_type_declares_as_uris_are_links() -> None:
    page = Page(shape(Resource(TASK_TYPE, f"{BASE}/x", {"list_uri": f"{BASE}/lists/1"})))
    assert page.links == {"": f"{BASE}/lists/1"}


@pytest.mark.parametrize(
    ("type_", "members", "name"),
    [
        (TASK_TYPE, {"title": "Milk", "name": "x"}, "Milk"),
        (TASK_TYPE, {"title": "", "done": True}, "(no title)"),
        (PAGE.type, {}, "Tasks"),
        (CHANGES_TYPE, {}, "Changes"),
        (ResourceType("Live"), {"status": "alive"}, "Live"),
    ],
)
def test_things_have_names(type_: ResourceType, members: dict[str, Any], name: str) -> None:
    assert name_of(Resource(type_, f"{BASE}/x", members)) == name


def test_members_are_written_for_people() -> None:
    members = {"due_at": "2030-01-31T09:00:00.5Z", "done": True, "description": "a `b`"}
    html = shape(Resource(replace(TASK_TYPE, lead_has_code=True), f"{BASE}/x", members))
    assert '<time datetime="2030-01-31T09:00:00.5Z">2030-01-31 09:00 UTC</time>' in html
    assert '<dd dir="auto">yes' in html
    assert "a <code>b</code>" in html


def test_its_style_is_the_one_thing_that_may_be_loaded() -> None:
    style = STYLE.search(shape(PAGE))
    assert style is not None
    digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = content_security_policy(Site())
    assert policy.split("; ") == [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        f"style-src 'sha256-{digest}'",
        "form-action 'none'",
    ]
    assert not re.search(r"@import|url\(", style[1])


def test_a_page_may_load_the_script_of_the_service_and_send_requests_to_it() -> None:
    script = Script(
        uri=f"{BASE}/docs/main.js",
        root=f"{BASE}/",
        sign_in=f"{BASE}/tokens",
        register=f"{BASE}/users",
        relations=f"{BASE}/rels/{{name}}",
        for_programs="icon service-desc",
    )
    [found] = [
        each for tag, each in Page(shape(PAGE, Site(script=script))).elements if tag == "script"
    ]
    assert (found["src"], found["data-root"]) == (script.uri, script.root)
    assert (found["data-sign-in"], found["data-relations"]) == (script.sign_in, script.relations)
    assert (found["data-register"], found["data-for-programs"]) == (
        script.register,
        script.for_programs,
    )
    policy = content_security_policy(Site(script=script)).split("; ")
    added = set(policy) - set(content_security_policy(Site()).split("; "))
    assert added == {
        "script-src 'self'",
        "connect-src 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    }


def test_text_has_enough_contrast_in_light_and_in_dark() -> None:
    style = STYLE.search(shape(PAGE))
    assert style is not None
    for scheme in re.findall(r":root \{(.*?)\}", style[1]):
        colours = dict(re.findall(r"--([\w-]+): (#\w+);", scheme))
        pairs = [
            *product(("text", "soft", "link"), ("page", "chip")),
            *product(("bad", "good"), ("page",)),
            ("bad", "chip"),
            ("text", "field"),
            ("on-accent", "accent"),
        ]
        for text, ground in pairs:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert contrast(colours["edge"], colours["page"]) >= 3  # WCAG 2.2, 1.4.11


def contrast(one: str, other: str) -> float:
    """How far apart two colours are (WCAG 2.2, 1.4.3)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    red, green, blue = (linear(int(digits[at : at + 2], 16) / 255) for at in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def test_its_type_is_that_of_pages() -> None:
    assert MEDIA_TYPE == "text/html"
