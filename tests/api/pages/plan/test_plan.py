"""Pages of the plan and its payments, also of their end: the return from Checkout, where money is, cancellation, withdrawal."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask

from api.jobs import schedule as jobs
from api.models.alert import Alert
from api.models.declaration import Declaration
from api.models.notification import Notification
from api.models.payment import CreditForm, Payment, Refund, Subscription, WatchCredit
from api.models.user import Channel, User
from configs.ground.clock import clock
from configs.ground.signing import AnswerAlert, write_token
from configs.world.plan import PlanName
from tests.api.pages.plan.conftest import Buyer
from tests.api.payments.shop import find_intent
from tests.clients import Browser, Page, seat_operator
from tests.factories import add_account, add_grant, add_payment, announce, change, one, rows, save

BACK = "/dashboard?payment=success&plan=URGENCE_7J"
TWIN = "/formule/confirmation?plan=URGENCE_7J"
_WISH = "&prefecture=bobigny_93&procedure=titre-sejour"
_TITLE = "Où est l’argent"


def test_without_a_plan_it_shows_what_is_sold(camille: Browser) -> None:
    page = camille.get("/formule?prefecture=bobigny_93&procedure=VISA")
    assert "Vous n’avez pas d’offre en cours." in page.text
    for price in ("4,99", "14,99", "29,99"):
        assert price in page.text
    assert "plan=URGENCE_7J&amp;prefecture=bobigny_93&amp;procedure=VISA" in page.html
    assert "Aucun paiement pour l’instant" in page.text
    assert "Il n’y a rien à résilier" in camille.get("/formule/resiliation").text
    add_payment(add_account("other@example.org").id, PlanName.URGENCE_7J)
    assert ask(camille)[1] is False, "the payment of somebody else confirms nothing"


def test_the_dashboard_says_what_outages_gave_what_waits_and_what_was_used(camille: Browser) -> None:
    user = one(User)
    assert "Rendu en tout" not in camille.get("/dashboard").text
    payment, now, hour = add_payment(user.id), clock(), timedelta(hours=1)
    add_grant(user.id, PlanName.URGENCE_7J, days=5 / 24, starts=-2 / 24, source="credit")
    other = add_payment(add_account("other@example.org").id)
    for cents, form, owner, borne in (
        (150, CreditForm.INVOICE, payment, None),
        (230, CreditForm.INVOICE, payment, payment),
        (70, CreditForm.REFUND, payment, None),
        (999, CreditForm.INVOICE, other, None),
    ):
        save(WatchCredit(
            payment_id=owner, seconds=60, form=form, amount_cents=cents, borne_by_id=borne, created_at=now - hour,
        ))  # fmt: skip
    text = " ".join(camille.get("/dashboard").text.split())
    assert "Rendu en tout5 heures · 4,50 € En attente3 heures · 1,50 € Déjà utilisé2 heures · 3,00 €" in text


def test_it_shows_the_plan_its_end_and_what_it_could_become(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_7J)
    page = buyer.get("/formule")
    assert "27 novembre 2026" in page.text
    assert "Aucun : elle finit d’elle-même" in page.text
    assert "Prolonger" in page.text
    assert "14,99 € déduits pour le reste de votre offre : 15,00 € à payer maintenant" in " ".join(
        page.text.split()
    )
    assert "Votre offre en cours comprend déjà celle-ci." in page.text
    assert "Résilier" not in page.text


def test_the_portal_opens_after_a_payment_and_says_so_where_it_does_not_answer(buyer: Buyer) -> None:
    buyer.buy()
    buyer.get("/formule")
    buyer.browser.send("/formule/portail")
    assert "/p/session/" in buyer.browser.location or "portal" in buyer.browser.location
    buyer.get("/formule")
    buyer.shop.control.mode("error_500", path="/v1/")
    buyer.browser.send("/formule/portail")
    assert "ne répond pas" in buyer.browser.follow().text


def test_it_lists_the_users_payments_and_leads_to_each(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_24H)
    buyer.buy(PlanName.URGENCE_7J)
    stranger = add_payment(add_account("other@example.org").id)
    page = buyer.get("/formule/paiements")
    assert page.text.count("Payé") == 2
    assert str(stranger) not in page.html
    link = next(at["href"] for tag, at in page.tags if "/formule/paiements/" in at.get("href", ""))
    page = buyer.get(link)
    assert "Reste de l’offre précédente, déduit du prix" in page.text
    assert "Conditions acceptées" in page.text
    assert "Reçus et factures" in page.text


def test_many_payments_are_shown_in_pages(camille: Browser) -> None:
    (user,) = rows(User)
    for _ in range(21):
        add_payment(user.id)
    assert "Tous les paiements" in camille.get("/formule").text
    page = camille.get("/formule/paiements")
    following = next(at["href"] for tag, at in page.tags if at.get("rel") == "next")
    assert camille.get(following).html.count('href="/formule/paiements/') == 1
    assert camille.get("/formule/paiements?before=rubbish").html.count('href="/formule/paiements/') == 20


def ask(browser: Browser) -> tuple[str, bool]:
    """Return the part that the page shows by now, and whether the page stops to ask."""
    answer = browser.client.get(TWIN, headers={"Accept": "application/json"})
    assert answer.json is not None
    return answer.json["parts"]["payment"], answer.json["stop"]


def test_the_page_waits_until_the_plan_is_there(buyer: Buyer) -> None:
    buyer.open_order()
    buyer.press()
    buyer.pay(hears=False)
    page = buyer.get(BACK)
    assert "Merci, votre paiement est en route." in page.text
    assert f'data-live="{TWIN}"' in page.html
    assert "data-live-reload" in page.html  # plan and alerts are new then
    assert "Actualiser la page" in page.text
    assert "Vous n’avez pas d’offre" not in page.text  # one truth, whenever the event comes
    assert "/alertes/nouvelle" not in page.html.partition("<main")[2]
    part, stops = ask(buyer.browser)
    assert ("est en route" in part, stops) == (True, False)
    buyer.shop.deliver()
    part, stops = ask(buyer.browser)
    assert ("Votre paiement est confirmé." in part, stops) == (True, True)
    assert "27 novembre 2026" in part
    page = buyer.get(BACK)
    assert "Votre paiement est confirmé." in page.text
    assert "data-live" not in page.html
    assert "Vous n’avez pas d’offre" not in page.text


def test_after_payment_channels_are_offered_until_each_is_set_up_or_declined(
    buyer: Buyer, settings_env: Callable[..., None]
) -> None:
    settings_env(TELEGRAM_BOT_NAME="rdvpriority_bot")
    buyer.buy(PlanName.URGENCE_7J)
    change(Alert, enabled=True)
    (alert,) = rows(Alert)
    for path in (BACK, "/dashboard", f"/alertes/{alert.id}"):
        page = buyer.get(path)
        assert "Par où vous prévenir ?" in page.text
        assert "Lier Telegram" in page.text
        assert "/canaux/sms/plus-tard" not in page.html, "not of this plan"
    assert "Vous serez prévenu parE-mail" in page.text
    page.forms = [each for each in page.forms if each["fields"].get("channel") == ["email"]]
    buyer.browser.send(f"/alertes/{alert.id}/essai")
    assert [each.channel for each in rows(Notification, Notification.kind == "test_message")] == [
        Channel.EMAIL
    ]
    buyer.get("/dashboard")
    for channel in ("push", "telegram"):
        buyer.browser.send(f"/canaux/{channel}/plus-tard")
        page = buyer.browser.follow()
    assert "Par où vous prévenir ?" not in page.text
    assert "Par où vous prévenir ?" not in buyer.get(f"/alertes/{alert.id}").text


def test_a_subscription_says_that_it_goes_on_and_after_found_one_press_ends_it(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    change(Alert, enabled=True)
    (alert,) = rows(Alert)
    shown = plain(buyer.get("/dashboard"))
    assert "se renouvelle le 20 décembre 2026" in shown
    assert "29,99 €" in shown
    change(Subscription, charge_at=clock() + timedelta(days=35))  # as days for a friend move it
    assert "se renouvelle le 25 décembre 2026" in plain(buyer.get("/dashboard"))
    told = announce(buyer.user.id, alert.id)
    answer = f"/l/{write_token(AnswerAlert(told.message))}"
    said = buyer.browser.client.post(
        answer, data={"value": "found", "day": "2026-12-01", "hour": "09:30"}
    ).text
    assert "Votre abonnement URGENCE TOTAL continue" in said
    assert "notification de la résiliation" in said
    page = buyer.get(f"/alertes/{alert.id}")
    assert "Votre abonnement URGENCE TOTAL continue : 29,99 € le 25 décembre 2026" in plain(page)
    page = buyer.get("/dashboard")  # where the alert stays reachable, with its appointment
    assert "Alertes fermées" in page.text
    assert f"/alertes/{alert.id}/rendez-vous.ics" in page.html
    assert "/l/cancel" not in said, "people forward alerts: it leads to no order, and to no other end"
    said = buyer.browser.client.post(answer, data={"wished": "2026-11-21"}).text
    assert "Résiliation notifiée" in said
    assert rows(Declaration)[0].wished_on is None
    assert rows(Subscription)[0].cancel_wanted_at is not None
    assert "se renouvelle" not in buyer.get("/dashboard").text
    assert "continue :" not in buyer.get(f"/alertes/{alert.id}").text


def test_an_order_that_was_not_paid_has_no_book_and_leads_to_another_one(buyer: Buyer) -> None:
    buyer.open_order()
    buyer.press()
    assert _TITLE not in buyer.get(f"/formule/paiements/{rows(Payment)[0].id}").text
    buyer.shop.pass_time(hours=2)
    part, stops = ask(buyer.browser)
    assert ("Le paiement n’a pas abouti." in part, stops) == (True, True)
    assert "/formule/commande?plan=URGENCE_7J" in part


def plain(page: Page) -> str:
    """Return a page's words, with one blank between them."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", page.html)).split())


def read_book(buyer: Buyer, which: int = 0) -> str:
    """Return the part about money of a payment's page: the oldest payment by 0."""
    buyer.browser.sign_in()
    payment = sorted(rows(Payment), key=lambda each: each.id)[which]
    return plain(buyer.get(f"/formule/paiements/{payment.id}")).partition(_TITLE)[2]


def test_an_outage_lowers_the_next_charge(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL, _WISH)
    buyer.shop.pass_time(days=20)
    jobs.credit_outages()
    buyer.shop.deliver()
    book = read_book(buyer)
    assert "Temps non surveillé, à rendre" in book
    assert "Encore dû 19,99 €" in book, book
    buyer.shop.pass_time(days=11)
    assert "Temps non surveillé, déduit du prélèvement suivant" in read_book(buyer)
    book = read_book(buyer, 1)
    assert "Payé 10,00 € Déduit du prix 19,99 €" in book
    assert "Temps non surveillé, déduit du prix" in book


def test_an_upgrade_moves_the_rest(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_24H)
    buyer.shop.clock.shift(timedelta(hours=12))
    buyer.browser.sign_in()
    buyer.buy(PlanName.URGENCE_7J)
    book = read_book(buyer)
    assert "Payé 4,99 € Temps utilisé 2,49 € Compté dans une autre commande 2,50 €" in book
    assert "Reste passé à une offre plus grande 20/11/2026 22:00 2,50 €" in book
    book = read_book(buyer, 1)
    assert "Payé 12,49 € Déduit du prix 2,50 € Offre en cours, pas encore comptée 14,99 €" in book
    assert "Reste de l’offre précédente, déduit du prix 20/11/2026 22:00 2,50 €" in book


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("won", "Contestation close : le paiement est maintenu 20/11/2026 10:00 14,99 €"),
        ("lost", "Payé 14,99 € Rendu par la banque après une contestation 14,99 € Mouvements"),
    ],
)
def test_a_dispute_says_where_the_money_is(buyer: Buyer, end: str, says: str) -> None:
    buyer.buy()
    dispute = buyer.shop.control.dispute(find_intent(rows(Payment)[0].id))
    buyer.shop.deliver()
    assert "Payé 14,99 € Contesté, retenu par la banque 14,99 € Mouvements" in read_book(buyer)
    buyer.shop.control.close_dispute(str(dispute["id"]), end)
    buyer.shop.deliver()
    assert says in read_book(buyer)


def test_operators_read_the_same_with_their_reasons(buyer: Buyer, app: Flask) -> None:
    buyer.buy()
    buyer.shop.control.refund(find_intent(rows(Payment)[0].id), 500)
    buyer.shop.deliver()
    assert "Remboursé · Par notre équipe 20/11/2026 10:00 5,00 €" in read_book(buyer)
    (payment,) = rows(Payment)
    page = plain(seat_operator(app).get(f"/admin/paiements/{payment.id}"))
    assert "Payé 14,99 € Offre en cours, pas encore comptée 9,99 € Remboursé 5,00 €" in page
    assert "Remboursé · Fait dans Stripe 20/11/2026 10:00 5,00 €" in page


def send(buyer: Buyer, wished: str) -> Page:
    """Go both steps: choose, then send the page that shows the choice."""
    page = buyer.get(f"/formule/resiliation?wished={wished}")
    assert "notification de la résiliation" in page.text
    return buyer.browser.send("/formule/resiliation")


def test_it_ends_with_what_is_paid_and_one_press_undoes_it(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    page = buyer.get("/formule")
    assert "Chaque mois, jusqu’à votre résiliation" in page.text
    assert 'href="/formule/resiliation"' in page.html
    page = buyer.get("/formule/resiliation")
    assert "Choisir la fin de la période, 20 décembre 2026" in page.text
    send(buyer, "periodEnd")
    assert "Votre résiliation est notifiée. Le contrat prend fin le 20 décembre 2026" in (
        buyer.browser.follow().text
    )
    page = buyer.get("/formule")
    assert "Aucun : résilié, fin le 20 décembre 2026" in page.text
    assert rows(Refund) == []
    buyer.browser.send("/formule/resiliation/annulation")
    page = buyer.browser.follow()
    assert "La résiliation est annulée : votre contrat continue." in page.text
    assert "Chaque mois" in page.text
    assert [each.cancel_wanted_at for each in rows(Subscription)] == [None]


@pytest.mark.journey
def test_each_day_says_beforehand_what_goes_back_and_what_is_none_is_refused(buyer: Buyer) -> None:
    buyer.buy(PlanName.URGENCE_TOTAL)
    for day in ("2026-11-19", "2026-12-01", "9999-12-31", "2026-02-31", ""):
        buyer.get("/formule/resiliation?wished=periodEnd")
        buyer.browser.send("/formule/resiliation", wished=day)
        assert buyer.browser.status == 422, day[:12]
        assert "Le formulaire n’a pas été envoyé." in buyer.browser.page.text
    assert [each.cancel_wanted_at for each in rows(Subscription)] == [None]
    page = buyer.get("/formule/resiliation")
    days = [at["value"] for tag, at in page.tags if tag == "option"]
    assert (days[0], days[-1], len(days)) == ("2026-11-20", "2026-11-30", 11)
    assert [at["value"] for tag, at in page.tags if "selected" in at] == ["2026-11-30"]
    assert "25 novembre 2026 : 24,41" in page.text
    step = buyer.get("/formule/resiliation?wished=2026-11-25")
    for _ in range(2):
        buyer.browser.page = step
        buyer.browser.send("/formule/resiliation")
        assert "24,41" in buyer.browser.follow().text
    assert (len(rows(Declaration)), rows(Refund)) == (1, [])
    assert "25 novembre 2026" in buyer.get("/formule").text


def buy(buyer: Buyer, name: PlanName = PlanName.URGENCE_7J) -> Payment:
    buyer.buy(name)
    change(Notification, Notification.kind == "order", accepted_at=clock())
    found: list[Payment] = rows(Payment)
    return next(each for each in found if each.plan is name)


def list_links(page: Page) -> list[str]:
    """Return the links to withdrawals from single orders."""
    return [
        at["href"] for tag, at in page.tags if tag == "a" and "/formule/retractation/" in at.get("href", "")
    ]


def test_each_order_shows_its_end_and_two_steps_withdraw_from_it(buyer: Buyer) -> None:
    order = buy(buyer)
    page = buyer.get("/formule")
    assert "Vous pouvez vous rétracter jusqu’au vendredi 4 décembre 2026, à minuit" in page.text
    assert page.text.count("renoncer au contrat ici") == 2, "the order's, and that of every page's foot"
    (link,) = list_links(page)
    page = buyer.get(link)
    assert all(
        part in page.text
        for part in (str(order.order_number), "14,99\u00a0€", "jusqu’au vendredi 4 décembre 2026")
    )
    assert "confirmer la rétractation" in page.text
    buyer.browser.send("/formule/retractation/", name="é" * 10_000)
    assert buyer.browser.status == 422
    assert "Ce nom est trop long." in buyer.browser.page.text
    assert rows(Declaration) == []
    buyer.browser.send("/formule/retractation/", name="Camille Martin")
    page = buyer.browser.follow()
    assert "Votre rétractation est enregistrée." in page.text
    assert "10:00:00" in page.text
    assert "Nous vous remboursons 14,99\u00a0€" in page.text
    assert list_links(buyer.get("/formule")) == []
    assert "Payé 14,99 € Encore dû 14,99 € Mouvements" in read_book(buyer)
    buyer.shop.deliver()
    book = read_book(buyer)
    assert "Payé 14,99 € Remboursé 14,99 € Mouvements" in book
    assert "Remboursement demandé · Rétractation 20/11/2026 10:00 14,99 €" in book
    assert "Remboursé · Rétractation 20/11/2026 10:00 14,99 €" in book


def test_it_stays_visible_when_the_plan_is_over_says_why_nothing_is_left_and_goes_with_the_period(
    buyer: Buyer,
) -> None:
    buy(buyer, PlanName.URGENCE_24H)
    buyer.shop.pass_time(days=2)
    (link,) = list_links(buyer.get("/formule"))
    page = buyer.get(link)
    assert "L’offre a été utilisée jusqu’à sa fin." in page.text
    assert "confirmer la rétractation" not in page.text
    buyer.shop.clock.shift(timedelta(days=13))
    buyer.browser.sign_in()
    assert list_links(buyer.get("/formule")) == []
    assert "Le délai pour se rétracter de cette commande est passé." in buyer.get(link).text
