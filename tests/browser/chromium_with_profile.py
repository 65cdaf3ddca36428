"""A Chromium with a profile on disk: private windows, which other tests use, get no push messages."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright

from configs.programs.browser_binary import arguments, sandboxed
from tests.waiting import until

# A subscription outlives the page, as a browser's does, and is known to this browser alone.
_SCRIPT = """(given) => {
  const KEY = "replaced-push-subscription";
  const build = (kept) => kept && {
    endpoint: kept.endpoint,
    options: { userVisibleOnly: true, applicationServerKey: Uint8Array.from(kept.ownKey).buffer },
    toJSON: () => ({ endpoint: kept.endpoint, keys: kept.keys }),
    unsubscribe: async () => { localStorage.removeItem(KEY); return true; },
  };
  PushManager.prototype.getSubscription = async () => build(JSON.parse(localStorage.getItem(KEY)));
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    if (!userVisibleOnly || applicationServerKey.length !== 65) throw new TypeError("refused as Chromium does");
    const made = { ...given, ownKey: [...applicationServerKey] };
    localStorage.setItem(KEY, JSON.stringify(made));
    return build(made);
  };
}"""


def replace_push(context: BrowserContext, subscription: dict[str, Any]) -> None:
    """Have `PushManager.subscribe` of all pages return this: what `PushSubscription.toJSON()` has."""
    context.add_init_script(f"({_SCRIPT})({json.dumps(subscription)})")


@contextmanager
def open_profile(browser: Path, origin: str) -> Iterator[BrowserContext]:
    """Start a Chromium with a new profile, in which the pages of an origin may show notifications."""
    assert "headless" not in browser.name, f"{browser} has no notifications: install the whole Chromium"
    with tempfile.TemporaryDirectory(prefix="rdv-profile-") as folder, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder, executable_path=browser, args=arguments(), chromium_sandbox=sandboxed(),
            base_url=origin, locale="fr-FR", timezone_id="Europe/Paris",
        )  # fmt: skip
        context.grant_permissions(["notifications"], origin=origin)
        yield context
        context.close()


class WorkerOfPage:
    """The service worker of a page's origin, by the DevTools protocol.

    https://chromedevtools.github.io/devtools-protocol/tot/ServiceWorker/
    """

    def __init__(self, page: Page, origin: str) -> None:
        self._page = page
        self._origin = origin
        self._registrations: dict[str, str] = {}  # by scope
        self._devtools: CDPSession = page.context.new_cdp_session(page)
        self._devtools.on("ServiceWorker.workerRegistrationUpdated", self._note)
        self._devtools.send("ServiceWorker.enable")

    def show(self, message: str) -> list[dict[str, Any]]:
        """Hand a push message to the worker, as the browser does after it decrypted one; return what is shown then.

        A worker that is just being stopped may miss it: then nothing is shown, and it can be handed over again.
        """
        given = {"origin": self._origin, "registrationId": until(self._find), "data": message}
        self._devtools.send("ServiceWorker.deliverPushMessage", given)
        return self._list_notifications()

    def _list_notifications(self) -> list[dict[str, Any]]:
        """Return what the worker shows."""
        script = """async () => {
          const shown = await (await navigator.serviceWorker.ready).getNotifications();
          return JSON.stringify(shown.map(({ title, body, tag, data }) => ({ title, body, tag, data })));
        }"""
        found: list[dict[str, Any]] = json.loads(self._page.evaluate(script))
        return found

    def press_notification(self) -> str:
        """Press the notification that is shown; return the address that the worker opens."""
        (worker,) = self._page.context.service_workers
        script = """async () => {
          const [notification] = await registration.getNotifications();
          const opened = new Promise((resolve) => { clients.openWindow = resolve; });
          dispatchEvent(new NotificationEvent("notificationclick", { notification }));
          return opened;
        }"""
        return str(worker.evaluate(script))

    def _find(self) -> str | None:
        self._page.evaluate("true")  # Playwright takes events while it waits for an answer
        return self._registrations.get(f"{self._origin}/")

    def _note(self, event: dict[str, Any]) -> None:
        for each in event["registrations"]:
            self._registrations[each["scopeURL"]] = each["registrationId"]
