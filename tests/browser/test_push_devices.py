"""The part of the channels page that adds this browser, in a real Chromium whose push service is replaced."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from api.models.base import session
from api.models.user import Channel, Contact
from configs.ground.signing import ShowSlots, write_token
from configs.settings import settings
from tests.browser.chromium_with_profile import replace_push
from tests.browser.site import MakeContext, Site
from tests.browser.watch import Watch
from tests.browser_keys import subscribe
from tests.factories import add_account, add_alert, add_grant, add_match, add_message, see

pytestmark = pytest.mark.xdist_group("browser")
OpenChannels = Callable[..., Page]
_SUBSCRIBED_FOR_ANOTHER_KEY = """() => {
  const kept = JSON.parse(localStorage.getItem("replaced-push-subscription"));
  localStorage.setItem("replaced-push-subscription", JSON.stringify({ ...kept, ownKey: Array(65).fill(4) }));
}"""


@pytest.fixture
def open_channels(site: Site, make_context: MakeContext) -> OpenChannels:
    """Open the page of the channels as a user with a plan, in a browser that lets sites notify, or not."""

    def open_page(*, may_notify: bool = True) -> Page:
        user_id = add_account().id
        add_grant(user_id)
        context = make_context(site.url)
        if may_notify:
            context.grant_permissions(["notifications"], origin=site.url)
        replace_push(context, subscribe(settings().push_hosts[0]))
        site.give_login(context, user_id)
        page = context.new_page()
        page.goto("/canaux")
        return page

    return open_page


@pytest.mark.journey
def test_what_a_push_opens_has_button_and_hours_in_the_first_screen_of_a_phone(
    site: Site, make_context: MakeContext
) -> None:
    camille = add_account().id
    detection, slots = see("2099-12-21T08:00:00+00:00", "2099-12-22T09:30:00+00:00")
    told = add_message(camille, add_match(add_alert(camille), detection, slots), kind="slot_detected")
    page = make_context(site.url, width=390, height=844).new_page()
    page.goto(f"/l/{write_token(ShowSlots(told))}")
    for shown in (
        page.get_by_role("heading", name="Seine-Saint-Denis (93)"),
        page.get_by_role("link", name="Réserver sur le site officiel"),
        page.get_by_text("10:30"),
    ):
        box = shown.bounding_box()
        assert box
        assert box["y"] + box["height"] < 844


def count_devices() -> int:
    with session() as s:
        found = sa.select(sa.func.count()).where(Contact.channel == Channel.PUSH)
        return s.scalar(found) or 0


@pytest.mark.journey
def test_a_browser_that_subscribed_for_an_earlier_key_can_be_added_again(open_channels: OpenChannels) -> None:
    page, button = open_channels(), "Ajouter ce navigateur"
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text("Ce navigateur reçoit nos notifications.")).to_be_visible()
    count = count_devices()
    page.evaluate(_SUBSCRIBED_FOR_ANOTHER_KEY)
    page.reload()
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text("Ce navigateur recevra nos notifications.")).to_be_visible()
    expect(page.get_by_role("button", name=button)).to_be_hidden()
    assert count_devices() == count


@pytest.mark.journey
def test_a_browser_that_blocks_notifications_says_what_to_do(open_channels: OpenChannels) -> None:
    page = open_channels(may_notify=False)
    page.evaluate("Notification.requestPermission()")
    page.reload()
    expect(page.get_by_text("Les notifications de ce site sont bloquées ici.")).to_be_visible()
    expect(page.get_by_role("button", name="Ajouter ce navigateur")).to_be_hidden()


@pytest.mark.journey
def test_a_push_service_that_is_away_changes_nothing(open_channels: OpenChannels) -> None:
    page, before = open_channels(), count_devices()
    page.evaluate(
        "void (PushManager.prototype.subscribe = async () => { throw new DOMException('no', 'AbortError'); })"
    )
    page.get_by_role("button", name="Ajouter ce navigateur").click()
    expect(page.get_by_role("alert").filter(has_text="L’ajout n’a pas abouti.")).to_be_visible()
    expect(page.get_by_role("button", name="Ajouter ce navigateur")).to_be_enabled()
    assert count_devices() == before


@pytest.mark.journey
def test_without_a_network_an_account_sees_the_kept_page_with_nothing_of_its_own(
    site: Site, make_context: MakeContext, watch: Watch
) -> None:
    context = make_context(site.url)
    site.give_login(context, add_account().id)
    page = context.new_page()
    page.goto("/profil")
    expect(page.get_by_text("camille@example.org").first).to_be_visible()
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    context.set_offline(True)
    page.goto("/dashboard")
    expect(page.get_by_role("heading", name="Pas de réseau")).to_be_visible()
    assert "camille" not in page.content()
    kept = "caches.keys().then(async ([name]) => (await (await caches.open(name)).keys()).map((each) => new URL(each.url).pathname))"
    assert [each for each in page.evaluate(kept) if not each.startswith("/static/")] == ["/hors-ligne"]
    context.set_offline(False)
    page.get_by_role("link", name="Réessayer").click()
    expect(page.get_by_role("heading", name="Mes alertes")).to_be_visible()
    assert [each for each in watch.list_problems() if "ERR_INTERNET_DISCONNECTED" not in each] == []
