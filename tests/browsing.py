"""A browser, for what only a browser can tell: Debian's Chromium, or another one of that name."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; without one the test is left out, loudly, but never in CI."""
    command = next(filter(None, map(shutil.which, COMMANDS)), None)
    if command is None:
        assert not os.environ.get("CI"), "Chromium is missing, and pages must be looked at here"
        pytest.skip("Chromium is missing: NO PAGE WAS LOOKED AT")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=command, args=QUIET)
        yield browser
        browser.close()
