"""Starts a headless Chromium, for the tests that need a real browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

#: Without these Chromium asks its maker's servers for things while the test runs.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
]


def start_chromium(profile: Path) -> Any:
    """Return selenium's driver of a new browser; its `quit` ends the browser.

    Skips the test where there is no browser or no selenium, but not in CI.
    """
    if os.environ.get("CI") != "true":
        pytest.importorskip("selenium")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        assert os.environ.get("CI") != "true", "chromium or chromedriver is not installed"
        pytest.skip("chromium or chromedriver is not installed")
    options = ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in [*ARGUMENTS, f"--user-data-dir={profile}"]:
        options.add_argument(argument)
    return Chrome(options=options, service=Service(driver))


def console_of(page: Any) -> list[dict[str, Any]]:
    """What the console said since it was last asked."""
    return list(page.get_log("browser"))


def set_screen(page: Any, width: int, height: int = 800, **features: str) -> None:
    """Give the page a screen of *width* x *height*, and media features: `color_scheme="dark"`."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = [{"name": f"prefers-{name.replace('_', '-')}", "value": value}
             for name, value in features.items()]  # fmt: skip
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})


def reset_screen(page: Any) -> None:
    """Take back what `set_screen` did."""
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
