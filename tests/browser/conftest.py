"""A Chromium that watches itself, and the pages behind a real HTTP server.

Each module of tests has one Chromium, and all of them the xdist group `browser`: two at once take a small machine.
"""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

import notifier
from api.app import create_app
from configs.programs.browser_binary import arguments, sandboxed
from configs.settings import Settings, settings
from tests.api.payments.organisations.house import write_prices
from tests.browser.site import MakeContext, Server, Site, keep_page
from tests.browser.watch import Watch

if TYPE_CHECKING:
    from tests.running_sandbox import Running

_LOCALES = {"fr": "fr-FR", "en": "en-GB", "ar": "ar-MA"}
_PATIENCE = 60_000  # ms; a busy machine


@pytest.fixture(scope="module")
def chromium(browser: Path) -> Iterator[Browser]:
    """Start the browser for a module: the event loop of Playwright must not outlive it, tests of others have one."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=browser, args=arguments(), chromium_sandbox=sandboxed()
        )
        expect.set_options(timeout=_PATIENCE)
        yield started
        started.close()


@pytest.fixture
def watch() -> Watch:
    """What the browsers of this test do; what they must not do fails it, at its end."""
    return Watch()


@pytest.fixture
def make_context(chromium: Browser, watch: Watch, request: pytest.FixtureRequest) -> Iterator[MakeContext]:
    """Make contexts that are pinned in all that differs between machines; keep their pages where the test fails."""
    made: list[BrowserContext] = []

    def make(
        url: str,
        *,
        language: str = "fr",
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        javascript: bool = True,
        touch: bool = False,
        address: str = "",
    ) -> BrowserContext:
        context = chromium.new_context(
            base_url=url,
            locale=_LOCALES[language],
            timezone_id="Europe/Paris",
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            java_script_enabled=javascript,
            has_touch=touch,
            is_mobile=touch,
            extra_http_headers={"X-Forwarded-For": address} if address else None,
        )
        context.set_default_timeout(_PATIENCE)
        made.append(context)
        watch.trust(url)
        watch.follow(context)
        return context

    yield make
    problems = watch.list_problems()
    if problems or _has_failed(request.node):
        for number, page in enumerate(page for context in made for page in context.pages):
            keep_page(page, f"{request.node.name}-{number}")
    for context in made:
        context.close()
    assert not problems, "\n".join(problems)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the report of a test itself for its fixtures."""
    report = yield
    if report.when == "call":
        item.stash[_REPORT] = report
    return report


_REPORT = pytest.StashKey[pytest.TestReport]()


def _has_failed(item: pytest.Item) -> bool:
    return _REPORT in item.stash and item.stash[_REPORT].failed


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server().run() as running:
        yield running


@pytest.fixture(scope="session")
def kept_site_apps() -> list[tuple[Settings, Flask]]:
    """Hold the worker's app, and the settings that it was made from."""
    return []


@pytest.fixture(scope="session")
def plans_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write plans in which organisations pay, once: another file is another app."""
    return write_prices(tmp_path_factory.mktemp("plans"))


@pytest.fixture
def stores(database: str, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an empty database and Redis; no worker of the notifier reads from them."""
    monkeypatch.setattr(notifier, "ask_deliver", notifier.deliver_here)
    monkeypatch.setattr(notifier, "ask_catch_up", lambda alert_id: None)


@pytest.fixture
def site(
    server: Server,
    stores: None,
    sandbox: "Running",
    settings_env: Callable[..., None],
    kept_site_apps: list[tuple[Settings, Flask]],
    *,
    plans_file: Path,
) -> Iterator[Site]:
    """Serve the pages with the desks that are shipped. Messages are delivered to the stand-ins before the answer."""
    settings_env(
        API_URL=server.url,
        FRONTEND_URL=server.url,
        STAND_INS=sandbox.list_stand_ins(("sendgrid", "twilio", "twilio_calls", "telegram", "stripe")),
        STRIPE_SECRET_KEY="sk_test_tests",
        STRIPE_WEBHOOK_SECRET="whsec_tests",
        TELEGRAM_BOT_NAME="rdvpriority_bot",
        PLANS_FILE=plans_file,
        FRIENDS="true",
    )
    if not kept_site_apps or kept_site_apps[0][0] != settings():
        kept_site_apps[:] = [(settings(), create_app())]
        kept_site_apps[0][1].testing = False  # errors are answered, as in life
    server.app = kept_site_apps[0][1]
    yield Site(server.url, server.app)
    server.app = None
