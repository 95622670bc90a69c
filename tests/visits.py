"""Visits to pages in headless Chromium, the system's own, and what they complain of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

CHROMIUM = Path("/usr/bin/chromium")
SHOTS = Path(__file__).parent.parent / "build" / "screenshots"

expect.set_options(timeout=60_000)  # a busy machine is no failure

needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("KINDRED_BROWSER"),
    reason=f"no {CHROMIUM}: install Debian's chromium to test the pages in a browser",
)


class Visit:
    """A page that keeps whatever it complains about, asks for, or pops up; ``home`` is the address of its site."""

    def __init__(self, page: Page, home: str) -> None:
        self.page, self.home = page, home
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.home}/{path}")
        return self.page


def violations(page: Page) -> list[tuple[str, str]]:
    """The rules of accessibility that a page breaks, each with the first element that does."""
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found]
