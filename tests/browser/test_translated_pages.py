"""Pages that a browser's translator rewrote, in a real Chromium: every script of ours goes on.

What translators do, as their pages look: Google wraps each text into `<font><font>`, Edge into one `<font>` with marks
of its own, Firefox replaces the text. Each does so again with what changes later. The stand-in puts a sign before each text.
"""

import re
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from api.models.notification import Notice
from api.models.user import Channel, Contact
from configs.settings import settings
from tests.browser.chromium_with_profile import replace_push
from tests.browser.site import MakeContext, Site
from tests.browser_keys import subscribe
from tests.desk_proofs import prove_desks
from tests.factories import add_account, add_alert, add_grant, add_match, rows, save, see

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.journey]
SIGN = "§"
_TRANSLATOR = """([mark, wraps]) => {
  const done = new WeakSet();
  const translate = (text) => {
    if (done.has(text) || !text.data.trim() || text.parentElement?.closest("script, style, textarea")) return;
    done.add(text);
    text.data = mark + text.data;
    let place = text;
    for (let left = text.parentElement.matches("title") ? 0 : wraps; left > 0; left -= 1) {
      const wrap = document.createElement("font");
      if (wraps === 1) wrap.setAttribute("_msttexthash", "1");
      place.replaceWith(wrap);
      wrap.append(place);
      place = wrap;
    }
  };
  const walk = (root) => {
    if (root.nodeType === Node.TEXT_NODE) return translate(root);
    const found = [], texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) found.push(texts.currentNode);
    found.forEach(translate);
  };
  addEventListener("DOMContentLoaded", () => {
    walk(document.documentElement);
    const watch = new MutationObserver((changes) => changes.forEach((each) => each.addedNodes.forEach(walk)));
    watch.observe(document.documentElement, { childList: true, subtree: true });
  });
}"""


def press(place: Locator) -> None:
    """Click the innermost element of a text, which is the translator's where it has one."""
    inner = place.locator("font").last
    (inner if inner.count() else place).click()


def take_the_summarys_link(page: Page) -> None:
    page.goto("/alertes/nouvelle?prefecture=bobigny_93&procedure=TITRE_SEJOUR")
    page.locator("details.limits summary").click()
    page.get_by_label("À partir de").fill("12:00")
    page.get_by_label("Avant").fill("09:00")
    press(page.get_by_role("button", name="Créer l’alerte"))
    press(page.locator(".summary a"))
    expect(page.locator("#f-limits-hourTo")).to_be_focused()


def press_a_form_twice(page: Page) -> None:
    page.goto("/profil")
    sent: list[str] = []

    def note(request: Request) -> None:
        sent.extend([request.url] if request.method == "POST" else [])

    page.on("request", note)
    button = page.get_by_role("button", name="Enregistrer")
    inner = button.locator("font").last
    (inner if inner.count() else button).dblclick()
    expect(page.get_by_text("C’est enregistré.")).to_be_visible()
    assert len(sent) == 1, sent


def see_slots_appear(page: Page, alert: UUID) -> None:
    page.goto(f"/alertes/{alert}")
    place = page.locator("[data-part=slots]")
    expect(place).not_to_contain_text("2099")
    detection, slots = see("2099-12-21T08:00:00+00:00")
    add_match(alert, detection, slots)
    expect(place).to_contain_text("2099")
    expect(place).to_contain_text(SIGN)


def add_this_browser(page: Page) -> None:
    page.goto("/canaux")
    press(page.get_by_role("button", name="Ajouter ce navigateur"))
    expect(page.get_by_text("Ce navigateur recevra nos notifications.")).to_be_visible()
    assert len(rows(Contact, Contact.channel == Channel.PUSH)) == 1


def count_notices(page: Page, user_id: UUID) -> None:
    page.goto("/notifications")
    title = page.title()
    assert title.startswith(f"{SIGN}Notifications")
    save(
        Notice(
            user_id=user_id, kind="order", language="fr", title="Une notification", body="…", link="/formule"
        )
    )
    expect(page.get_by_text("Une notification")).to_be_visible()
    expect(page).to_have_title(re.compile(rf"^{SIGN}?\(1\) {title}$"))


@pytest.mark.parametrize("wraps", [2, 1, 0], ids=["google", "edge", "firefox"])
def test_every_script_goes_on_in_a_translated_page(site: Site, make_context: MakeContext, wraps: int) -> None:
    prove_desks()
    user_id = add_account().id
    add_grant(user_id)
    alert = add_alert(user_id)
    context = make_context(site.url)
    context.grant_permissions(["notifications"], origin=site.url)
    replace_push(context, subscribe(settings().push_hosts[0]))
    context.add_init_script(f"({_TRANSLATOR})({[SIGN, wraps]!r})")
    site.give_login(context, user_id)
    page = context.new_page()
    take_the_summarys_link(page)
    press_a_form_twice(page)
    see_slots_appear(page, alert)
    add_this_browser(page)
    count_notices(page, user_id)
