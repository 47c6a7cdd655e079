"""Take the pictures in docs/images: pages of MLflow's UI in headless Chromium.

Needs Debian's chromium and `pip install playwright` (no browser download), and a `./run up` with something captured:

    python docs/screenshots.py docs/images/openai-tools.png 'http://127.0.0.1:5000/#/experiments/1/traces?selected...'
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SETTLE_MS = 6000


def close_pop_ups(page: Any) -> None:
    """MLflow remembers per browser profile that its introduction and its assistant were closed."""
    from playwright.sync_api import Error

    assistant = page.get_by_text("MLflow Assistant").first.locator("xpath=ancestor::div[count(.//button)>=3][1]")
    for button in (page.get_by_text("Got it", exact=True).first, assistant.locator("button").nth(2)):
        try:
            button.click(timeout=2000)
        except Error:
            continue  # it did not pop up
        page.wait_for_timeout(500)


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("url")
    chosen = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path="/usr/bin/chromium",
            headless=True,
            args=list(FLAGS),
            viewport={"width": 1500, "height": 1000},
        )
        page = browser.new_page()
        for url in (chosen.url.split("?")[0], chosen.url):
            page.goto(url, wait_until="domcontentloaded")
            page.wait_for_timeout(SETTLE_MS)
            close_pop_ups(page)
        page.screenshot(path=chosen.output)
        browser.close()


if __name__ == "__main__":
    main()
