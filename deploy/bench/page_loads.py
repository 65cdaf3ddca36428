"""Pages in a real Chromium that is slow: Largest Contentful Paint, and the bytes that come over the wire.

CPU and network are slowed down by Chromium itself (https://chromedevtools.github.io/devtools-protocol/). Each load has
a context of its own: no cache, no open connection. Cookies of a login are kept.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, cast

from playwright.sync_api import Browser, BrowserContext, CDPSession, StorageState, sync_playwright

from configs.browser_binary import arguments, browser_path, sandboxed
from deploy.bench.api_server import PASSWORD

_CPU_SLOWER = 4
_NETWORK = {
    "offline": False,
    "latency": 150,  # ms
    "downloadThroughput": 1.6e6 / 8,  # bytes/s
    "uploadThroughput": 0.75e6 / 8,
}
_PHONE = {"width": 390, "height": 844}
# The newest entry is the largest. Half a second after the load event nothing larger comes: live parts ask later.
_READ_PAINT = """() => new Promise((resolve) => {
  let newest = 0;
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) newest = entry.startTime; })
    .observe({ type: "largest-contentful-paint", buffered: true });
  setTimeout(() => resolve(newest), 500);
})"""


@dataclass
class PageLoad:
    """One load of a page: milliseconds until the largest paint, and bytes by type of resource, headers included."""

    paint: float = 0
    types: dict[str, str] = field(default_factory=dict)
    bytes: dict[str, float] = field(default_factory=dict)

    def listen(self, session: CDPSession) -> None:
        """Count what comes over the wire from now on."""
        session.on("Network.responseReceived", self._note_type)
        session.on("Network.loadingFinished", self._note_bytes)
        session.send("Network.enable")

    def _note_type(self, event: dict[str, Any]) -> None:
        self.types[event["requestId"]] = event["type"]

    def _note_bytes(self, event: dict[str, Any]) -> None:
        kind = self.types.get(event["requestId"], "")
        self.bytes[kind] = self.bytes.get(kind, 0) + event["encodedDataLength"]


@dataclass(frozen=True, slots=True)
class PageCost:
    """A page's cost, medians of its loads: milliseconds until the largest paint, bytes, bytes of scripts."""

    path: str
    paint: float
    bytes: float
    script_bytes: float


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run a browser while the block lasts."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(), args=arguments(), chromium_sandbox=sandboxed()
        )
        yield browser
        browser.close()


def sign_in_browser(browser: Browser, base: str, email: str) -> StorageState:
    """Sign in by the form; return the cookies."""
    context = _open_context(browser)
    page = context.new_page()
    page.goto(f"{base}/login")
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{base}/dashboard")
    state = context.storage_state()
    context.close()
    return state


def measure_page(browser: Browser, url: str, state: StorageState | None, times: int) -> PageCost:
    """Load a page so many times, each time as if for the first time.

    Raises:
        RuntimeError: the page is another one: an error, or one that it leads to.
    """
    loads = [_load(browser, url, state) for _ in range(times)]
    return PageCost(
        path="/" + url.split("/", 3)[3],
        paint=median(load.paint for load in loads),
        bytes=median(sum(load.bytes.values()) for load in loads),
        script_bytes=median(load.bytes.get("Script", 0) for load in loads),
    )


def _load(browser: Browser, url: str, state: StorageState | None) -> PageLoad:
    context, load = _open_context(browser, state), PageLoad()
    page = context.new_page()
    session = context.new_cdp_session(page)
    load.listen(session)
    session.send("Network.emulateNetworkConditions", _NETWORK)
    session.send("Emulation.setCPUThrottlingRate", {"rate": _CPU_SLOWER})
    response = page.goto(url, wait_until="load")
    if response is None or not response.ok or page.url != url:
        raise RuntimeError(f"{url}: {response and response.status} {page.url}")
    load.paint = page.evaluate(_READ_PAINT)
    context.close()
    return load


def _open_context(browser: Browser, state: StorageState | None = None) -> BrowserContext:
    return browser.new_context(storage_state=state, locale="fr-FR", viewport=cast("Any", _PHONE))


def describe_costs(costs: Sequence[PageCost]) -> Iterator[str]:
    """Yield a line for each page."""
    for cost in costs:
        kilobytes = f"{cost.bytes / 1000:.1f} kB, of it scripts {cost.script_bytes / 1000:.1f}"
        yield f"{cost.path}: {cost.paint:.0f} ms, {kilobytes}"
