"""Mails about payments, made from real rows and compared with the golden file beside this one, in French.

`GOLDEN=write pytest tests/api/payments/test_payment_mails.py` writes it anew: read it as its reader does."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.jobs import schedule as jobs
from api.models.base import session
from api.models.notification import Notice, Notification
from api.models.payment import Payment, PlanCredit
from api.models.user import Channel, Contact, ContactState, User
from api.payments.exchange import jobs as payment_jobs
from api.payments.ledger.stripe_ids import link_intent
from configs.ground.clock import clock
from configs.ground.signing import WithdrawOrder, read_token
from configs.world.plan import PlanName
from configs.world.sales_terms import find_newest_version, read_consent
from notifier.content.message_kind_base import ClaimedRow, TemplateContext
from notifier.content.messages import render
from notifier.message_kinds import kinds
from tests.api.messages import read_text
from tests.api.payments.declarations.orders import hand_over
from tests.api.payments.ledger.test_outage_credits import check, close_desk, read_alert_id
from tests.api.payments.till import ALERT, Till, make_consent
from tests.factories import add_stripe_event, change, one, rows, save

MAILS = Path(__file__).with_name("mails.fr.txt")
SELLER = {
    "SELLER_NAME": "Vigie SAS",
    "SELLER_ADDRESS": "1 rue de la Paix, 75002 Paris",
    "SELLER_PHONE": "01 23 45 67 89",
    "SELLER_SIREN": "123 456 789",
    "SUPPORT_EMAIL": "aide@example.org",
    "MEDIATOR": "Médiateur, 1 rue du Droit, 75001 Paris, https://mediateur.example",
}


@pytest.fixture(autouse=True)
def seller(till: Till, settings_env: Callable[..., None]) -> None:
    """Name the seller, and confirm the buyer's address."""
    settings_env(**SELLER)
    change(Contact, verified_at=clock())


def compare(*wanted: str) -> None:
    """Compare the newest mail of each kind (`kind` or `kind:name of the part`) with its part of the golden file."""
    for each in wanted:
        kind, _, name = each.partition(":")
        text, golden = _render(kind, "fr"), _read_golden()
        if os.environ.get("GOLDEN") == "write":
            golden[name or kind] = text
            MAILS.write_text(
                "".join(f"%%% {part}\n{golden[part]}" for part in sorted(golden)), encoding="utf-8"
            )
        assert text == golden[name or kind], name or kind
        assert _render(kind, "en") not in ("", text)


def _read_golden() -> dict[str, str]:
    parts = re.split(r"(?m)^%%% (\S+)\n", MAILS.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _render(kind: str, language: str) -> str:
    """Return subject and text of the newest mail of a kind, without the terms.

    Ids, tokens and the newest version of the terms are replaced.
    """
    with session() as s:
        newest = (
            sa.select(Notification).where(Notification.kind == kind).order_by(Notification.id.desc()).limit(1)
        )
        row = s.scalars(newest).one()
        row.language = language
        contact = s.get(Contact, row.contact_id) if row.contact_id else _operator()
        assert contact
        context = kinds()[kind].prepare(s, ClaimedRow.of(row), contact, clock())
        assert isinstance(context, TemplateContext), context
        made = render(kind, "email", language, context)
        s.rollback()
    text = re.sub(r"(?s)\n# (Conditions|Terms).*?\n(--|———)\n", r"\n[the terms]\n\n\2\n", made.text)
    text = text.replace(f"version {find_newest_version()}", "version [newest]")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}", "[id]", text)
    text = re.sub(r"\b[2-9A-HJ-NP-Z]{10}\b", "[number]", text)
    text = re.sub(r"\b(re|pi|cs|du|dp|issfr|in|evt)_\w+", r"\1_…", text)
    return f"{made.subject}\n\n" + re.sub(r"(/l/[a-z-]+\.)\S+", r"\1[token]", text) + "\n"


def _operator() -> Contact:
    return Contact(
        channel=Channel.EMAIL,
        address=SELLER["SUPPORT_EMAIL"],
        verified_at=clock(),
        enabled=True,
        state=ContactState.OK,
    )


def find_intent(till: Till) -> str:
    """Return Stripe's id of the newest paid order."""
    return str(till.get("history").json["items"][0]["stripePaymentId"])


def test_a_short_plan_and_its_upgrade(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H, alert=ALERT)
    compare("order")
    check(30, 60, 180, 210)
    till.shop.pass_time(hours=4)
    jobs.credit_outages()
    compare("credited:credited_time")
    till.buy(PlanName.URGENCE_TOTAL)
    compare("order:order_upgrade", "plan_upgraded")


def test_orders_without_an_alert_and_of_more_time(till: Till) -> None:
    till.buy(PlanName.URGENCE_7J)
    compare("order:order_without_alert")
    till.buy(PlanName.URGENCE_7J)
    compare("order:order_extension")


def test_an_order_has_a_summary_in_arabic_above_and_english_below_for_its_reader(till: Till) -> None:
    change(User, language="ar")
    till.buy(PlanName.URGENCE_7J)
    mail = _render("order", "fr")
    change(User, language="fr")
    alone = {
        each: _render("order", each).partition("\n--\n")[0].partition("\n\n")[2] for each in ("fr", "en")
    }
    summary, _, rest = mail.partition(alone["fr"].partition("\n\n")[2])
    assert "27 نوفمبر 2026" in summary
    assert rest.startswith(f"\n———\n\n{alone['en']}\n--\n"), "with the terms in English, once"
    (told,) = rows(Notice, Notice.kind == "order")
    assert told.title == "\u2068Votre commande est confirmée · Your order is confirmed\u2069"
    assert "Create an alert" in told.body


def test_an_order_after_a_withdrawal(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H)
    assert till.post("withdraw", {"paymentId": str(rows(Payment)[0].id)}).status_code == 200
    till.shop.deliver()
    till.buy(PlanName.URGENCE_7J, alert=ALERT)
    compare("order:order_later")


def test_a_subscription_from_a_credit_to_a_refused_renewal(till: Till) -> None:
    till.buy(PlanName.URGENCE_TOTAL, alert=ALERT)
    check(60, 780, 800)
    till.shop.pass_time(hours=14)
    jobs.credit_outages()
    compare("credited:credited_invoice")
    till.shop.pass_time(days=27)
    jobs.tell_renewals()
    compare("renewal_soon")
    till.use_bad_card()
    till.shop.pass_time(days=3)
    compare("payment_failed:payment_failed_renewal")


def test_a_subscription_that_is_cancelled(till: Till) -> None:
    till.buy(PlanName.URGENCE_TOTAL)
    assert till.post("cancel", {"periodEnd": True}).status_code == 200
    compare("cancel_noticed:cancel_noticed_period_end")
    assert till.post("cancel", {"on": "2026-11-25"}).status_code == 200
    compare("cancel_noticed:cancel_noticed_on_a_day")
    till.shop.clock.move_to(datetime(2026, 11, 25, 23, tzinfo=UTC))
    jobs.apply_declarations()
    payment_jobs.work_off()
    till.shop.deliver()
    compare("cancelled:cancelled_on_a_day")
    till.shop.deliver()
    compare("refunded:refunded_days")


@pytest.mark.parametrize(("wished", "name"), [("2026-11-25", "on_a_day"), ("periodEnd", "period_end")])
def test_a_cancellation_without_a_login(till: Till, wished: str, name: str) -> None:
    till.buy(PlanName.URGENCE_TOTAL)
    number = till.get("history").json["items"][0]["orderNumber"]
    for email, who in (("stranger@example.org", "stranger"), (till.person.email, "unconfirmed")):
        form = {"name": "Camille Martin", "email": email, "reference": number, "wished": wished}
        assert till.shop.client.post("/l/resilier", data=form | {"confirmed": "true"}).status_code == 200
        compare(f"cancel_noticed:cancel_noticed_{who}_{name}")


def test_a_withdrawal(till: Till) -> None:
    till.buy(PlanName.URGENCE_TOTAL)
    hand_over()
    payment_id = till.get("history").json["items"][0]["id"]
    till.shop.pass_time(days=1)
    assert till.post("withdraw", {"paymentId": payment_id, "name": "Camille Martin"}).status_code == 200
    compare("withdrawal_received", "withdrawn")
    till.shop.deliver()
    compare("refunded:refunded_withdrawal")


def test_a_desk_that_closes(till: Till) -> None:
    till.buy(PlanName.URGENCE_7J, alert=ALERT)
    close_desk()
    till.shop.pass_time(days=2)
    jobs.tell_closed_desks()
    compare("desk_closed_choice")
    assert till.post("closed-desk-refund", {"alertId": read_alert_id(till)}).status_code == 200
    till.shop.deliver()
    compare("refunded:refunded_closed_desk")


def test_a_refund_that_does_not_arrive_at_once(till: Till) -> None:
    till.shop.control.choose(refunds_begin="pending")
    till.buy(PlanName.URGENCE_24H)
    assert till.post("withdraw", {"paymentId": str(one(Payment).id)}).status_code == 200
    till.shop.deliver()
    compare("refunded:refunded_pending")
    for reason, name in (("declined", "again"), ("lost_or_stolen_card", "by_hand")):
        refund = till.shop.control.objects("refund")[-1]
        till.shop.control.settle_refund(refund["id"], "failed", reason)
        till.shop.deliver()
        compare(f"refunded:refunded_{name}")
        till.shop.pass_time(hours=1)
        payment_jobs.work_off()


def test_an_order_that_failed(till: Till) -> None:
    till.fail(PlanName.URGENCE_24H)
    compare("payment_failed:payment_failed_order")


def test_what_operators_are_told(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H)
    till.shop.control.warn_of_fraud(find_intent(till))
    till.shop.deliver()
    compare("payment_trouble:trouble_fraud_warning")
    till.shop.control.dispute(find_intent(till))
    till.shop.deliver()
    compare("payment_trouble:trouble_dispute")
    for n in range(5):
        add_stripe_event(f"evt_{n}", type="payment_intent.payment_failed", object_id=f"pi_{n}")
        with session() as s:
            link_intent(s, f"pi_{n}", s.scalars(sa.select(Payment)).one())
    jobs.tell_rising_failures()
    compare("payment_trouble:trouble_failures_rising")


def test_the_day_of_the_order_is_that_of_its_payment(till: Till) -> None:
    till.shop.pass_time(hours=13, minutes=50)  # 23:50 in Paris
    answer = till.order(PlanName.URGENCE_24H)
    till.shop.pass_time(minutes=20)
    till.pay(answer)
    assert "Commande du 21 novembre 2026" in read_text(one(Notification, Notification.kind == "order"))


@pytest.mark.parametrize("credit", [0, 499])
def test_the_price_of_later_months_is_the_orders_and_not_todays(till: Till, credit: int) -> None:
    """The list had 25.99 € when the page was made, and has 29.99 € when the mail is."""
    cheap = till.shop.buy(till.person.id, PlanName.URGENCE_24H)
    order = till.shop.order(till.person.id, PlanName.URGENCE_TOTAL, amount_cents=2599 - credit)
    if credit:
        save(
            PlanCredit(payment_id=order.payment_id, credited_payment_id=cheap, amount_cents=credit, seconds=9)
        )
    till.shop.control.pay(order.session_id)
    till.shop.deliver()
    mail = max(rows(Notification, Notification.kind == "order"), key=lambda each: each.id)
    assert "puis 25,99\N{NO-BREAK SPACE}€ TTC par mois" in read_text(mail)


def test_the_program_that_sends_it_needs_no_key_of_logins(
    till: Till, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The background program hands the mail over before any alert, and has LINK_KEY only."""
    till.buy(PlanName.URGENCE_24H)
    monkeypatch.delenv("JWT_SECRET")
    settings_env(LINK_KEY="a key of the background program's", DATA_KEYS="")
    found = re.search(r"/l/(withdraw\.\S+)", read_text(one(Notification, Notification.kind == "order")))
    assert found
    (order,) = rows(Payment)
    assert read_token(WithdrawOrder, found[1]).payment == order.id


@pytest.mark.parametrize("language", ["fr", "en"])
def test_19_the_order_mail_says_which_boxes_were_ticked(till: Till, language: str) -> None:
    till.person.send("PATCH", "/api/users/profile", {"language": language})
    till.buy(PlanName.URGENCE_24H, consent=make_consent(acceptsHourThreshold=False))
    said, _, _ = read_text(rows(Notification, Notification.kind == "order")[-1], language).partition(
        {"fr": "Droit de", "en": "Right to"}[language]
    )
    words = read_consent(find_newest_version(), language)
    assert all(each in said for each in (words.start_now, words.acknowledges_loss))
    assert words.accepts_hour_threshold not in said
