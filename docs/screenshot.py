"""Takes the picture of a report for the README, with an installed Chromium.

.venv/bin/python docs/screenshot.py demo/reports/scenes/report.html docs/report.png
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OFFLINE = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_SIZE = {"width": 1180, "height": 1000}


def main() -> int:
    """Write the picture: the head of the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    browser_path = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser_path is None:
        raise SystemExit(f"no browser: install one of {', '.join(_NAMES)}, then run this again")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(_OFFLINE))
        page = browser.new_page(viewport=_SIZE, color_scheme="light")
        page.goto(asked.report.resolve().as_uri())
        page.screenshot(path=asked.out)
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
