"""Journey of a push message: a browser is added on the page, a slot opens, and its service worker shows it.

The browser maker's server is replaced: `PushManager.subscribe` returns a subscription at the stand-in, and what the
stand-in decrypts is handed to the service worker by DevTools.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from deploy.local.stack import Stack
from deploy.sandbox.addresses import PUSH
from tests.browser.chromium_with_profile import WorkerOfPage, open_profile, replace_push
from tests.lab.bench.latency import open_slot, take_all
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, get
from tests.whole.visitor import LOOK, Visitor, grant_plan

pytestmark = STACK_JOURNEY
WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"], "name": "Dossier de Lina"}
TELLING = ("Évry", "Essonne", "91", "aturalisation", "Lina")  # what no locked screen shows
PATIENCE = 60_000  # milliseconds


@pytest.fixture
def lina(stack: Stack) -> Visitor:
    """Give a new user with a plan."""
    one = Visitor(stack, "lina@example.org")
    one.register()
    grant_plan(stack, one.email)
    one.sign_in()
    return one


@pytest.fixture
def page(stack: Stack, browser: Path, lina: Visitor) -> Iterator[Page]:
    """Open the channels of Lina in a Chromium whose push service is the stand-in."""
    origin = f"http://127.0.0.1:{stack.ports.api}"
    expect.set_options(timeout=PATIENCE)
    with open_profile(browser, origin) as context:
        context.set_default_timeout(PATIENCE)
        replace_push(context, subscribe_at_stand_in(stack))
        page = context.pages[0]
        page.goto("/login?next=channels.show_channels")
        page.get_by_label("Adresse e-mail").fill(lina.email)
        page.get_by_label("Mot de passe").fill(lina.password)
        page.get_by_role("main").get_by_role("button", name="Se connecter").click()
        yield page


def subscribe_at_stand_in(stack: Stack) -> dict[str, Any]:
    """Let a browser subscribe at the push service for our key; return what `PushSubscription.toJSON()` has."""
    url = f"http://{PUSH}:{stack.ports.providers}/_control/subscriptions"
    status, made = get(url, {"applicationServerKey": stack.environment["VAPID_PUBLIC_KEY"]})
    assert status == 201, made
    subscription: dict[str, Any] = made
    return subscription


def list_decrypted(user: Visitor, endpoint: str) -> list[str]:
    """Return what the stand-in decrypted for a subscription."""
    return [each["custom"]["payload"] for each in user.messages("push", endpoint.rpartition("/")[2])]


def test_a_browser_is_added_shows_a_slot_and_is_removed(stack: Stack, lina: Visitor, page: Page) -> None:
    page.get_by_role("button", name="Ajouter ce navigateur").click()
    expect(page.get_by_text("Ce navigateur recevra nos notifications.")).to_be_visible()
    (device,) = lina.ask("GET", "/users/push-devices")["devices"]
    worker = WorkerOfPage(page, page.evaluate("location.origin"))
    alert = lina.ask("POST", "/alerts", WISH, expect=201)["id"]
    until(lambda: lina.ask("GET", f"/alerts/{alert}")["lastProvenAt"], pause=LOOK)
    open_slot(stack)
    endpoint = page.evaluate("JSON.parse(localStorage.getItem('replaced-push-subscription')).endpoint")
    (decrypted,) = until(lambda: list_decrypted(lina, endpoint))
    message = json.loads(decrypted)
    assert not [word for word in TELLING if word in message["title"] + message["body"]]
    (shown,) = until(lambda: worker.show(decrypted), pause=LOOK)
    assert (shown["title"], shown["body"], shown["tag"]) == (
        message["title"],
        message["body"],
        message["tag"],
    )
    page.goto(worker.press_notification())
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert until(lambda: lina.ask("GET", "/users/push-devices")["devices"][0]["lastSentAt"], pause=LOOK)
    page.goto("/canaux")
    page.get_by_role("button", name=f"Retirer {device['name']}").click()
    expect(page.get_by_text("Ce navigateur est retiré.")).to_be_visible()
    assert lina.ask("GET", "/users/push-devices")["devices"] == []
    take_all(stack)
