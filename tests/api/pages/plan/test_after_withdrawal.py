"""Pages of a person who withdrew lately: each says, before the order, when its plan begins and what is owed until then."""

import pytest

from api.models.alert import Alert
from api.models.payment import Payment
from configs.world.plan import PlanName
from tests.api.pages.plan.buyer import Buyer
from tests.api.pages.plan.test_withdrawal import buy
from tests.factories import add_desk, rows

WISH = "&prefecture=bobigny_93&procedure=titre-sejour"
BOXES = ["consent.startNow", "consent.acknowledgesLoss", "consent.acceptsHourThreshold"]


@pytest.fixture
def withdrawn(buyer: Buyer) -> Buyer:
    """Give a buyer who used a plan for a minute and withdrew."""
    order = buy(buyer)
    buyer.shop.pass_time(minutes=1)
    buyer.get(f"/formule/retractation/{order.id}")
    buyer.browser.send("/formule/retractation/")
    assert buyer.browser.status == 303
    return buyer


WORDS = {
    "fr": ("commence le 5 décembre 2026, 00:00", "tout vous est remboursé", "à partir du 18 février 2027"),
    "en": ("begins on December 5, 2026", "all of it is paid back", "from February 18, 2027"),
    "ar": ("تبدأ باقتك في", "يُردّ إليك المبلغ كله", "يمكنك طلبه ابتداءً من"),
}


@pytest.mark.parametrize("language", WORDS)
def test_the_order_says_when_it_begins_and_asks_for_no_beginning_at_once(
    withdrawn: Buyer, language: str
) -> None:
    begins, nothing, month = WORDS[language]
    page = withdrawn.open_order(wish=f"{WISH}&lang={language}")
    assert begins in page.text
    assert nothing in page.text
    boxes = [at["name"] for tag, at in page.tags if at.get("type") == "checkbox"]
    assert boxes == BOXES[2:]
    last = page.html.rpartition('<p class="last-line">')[2].partition("</p>")[0]
    assert "2026-12-04T23:00:00" in last, "the line before the button says it, too"
    page = withdrawn.open_order(PlanName.URGENCE_TOTAL, f"&lang={language}")
    assert month in page.text
    assert "plan=URGENCE_24H" in page.html
    assert not [at for tag, at in page.tags if at.get("type") == "checkbox"], "it cannot be ordered"


def test_it_is_bought_and_each_page_says_that_the_plan_waits(withdrawn: Buyer) -> None:
    add_desk()
    page = withdrawn.get("/formule")
    assert "Après une rétractation, cette formule commence le 5 décembre 2026, 00:00." in page.text
    assert "Après une rétractation, à partir du 18 février 2027" in page.text
    withdrawn.open_order(wish=WISH)
    withdrawn.browser.page.forms = [each for each in withdrawn.browser.page.forms if "paid" in each["fields"]]
    withdrawn.browser.send("/formule/commande", button_code="order")
    withdrawn.pay()
    order = max(rows(Payment), key=lambda each: each.id)
    assert (order.consent["startNow"], order.consent_text) == (False, "")
    (alert,) = rows(Alert)
    for url in ("/formule", "/dashboard", f"/alertes/{alert.id}"):
        assert "commence le 5 décembre 2026, 00:00" in withdrawn.get(url).text, url
    assert "du 5 décembre 2026, 00:00 au 12 décembre 2026, 00:00" in (
        withdrawn.get("/dashboard?payment=success&plan=URGENCE_7J").text
    )
