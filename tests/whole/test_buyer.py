"""Journeys of a buyer and of an operator of payments through a whole stack, with Stripe's stand-in in a real browser."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.check import Check
from api.models.payment import Payment
from api.models.user import Grant, User
from configs.ground.clock import clock
from deploy.local.seed import seed
from deploy.local.stack import Stack
from deploy.sample_desk_files import only
from deploy.sandbox.addresses import STRIPE
from deploy.sandbox.addresses import url as address
from deploy.sandbox.control_client import StripeControl
from tests.factories import add_check
from tests.lab.bench.latency import hasty, open_slot, take_all
from tests.waiting import until
from tests.whole.conftest import STACK_JOURNEY, appoint_admin, quiet_stack
from tests.whole.jobs import run_job
from tests.whole.visitor import LOOK, Visitor

pytestmark = STACK_JOURNEY
DESK = "evry-courcouronnes_91/naturalisation"
WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"]}
CAPTCHA = {"deskIds": ["nanterre_92/titre-sejour-premiere-demande"]}
TOTAL = "URGENCE_TOTAL"


def keep_few_desks(text: str) -> str:
    """Keep the desks of one system; those of nanterre_92 all, one of which a captcha hides."""
    return hasty(text) if 'department: "92"' in text else only("ezbooking", hasty(text))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with quiet_stack(keep_few_desks, RETRY_SECONDS="0.2", STRIPE_RETRY_SECONDS="1") as made:
        seed(made)
        yield made


@pytest.fixture(scope="module")
def stripe(stack: Stack) -> StripeControl:
    return StripeControl(address(STRIPE, stack.ports.providers))


def join(stack: Stack, name: str) -> Visitor:
    """Return a new user who has confirmed the address and is signed in."""
    one = Visitor(stack, f"{name}@example.org")
    one.register()
    one.sign_in()
    return one


def sign_in(page: Page, user: Visitor) -> None:
    """Sign in by the form, as another person than before."""
    page.context.clear_cookies()
    page.goto(f"http://127.0.0.1:{user.stack.ports.api}/login")
    page.get_by_label("Adresse e-mail").fill(user.email)
    page.get_by_label("Mot de passe").fill(user.password)
    page.get_by_role("button", name="Se connecter").click()
    page.wait_for_url("**/dashboard**")


@pytest.fixture(scope="module")
def nadia(stack: Stack, page: Page) -> Visitor:
    nadia = join(stack, "nadia")
    sign_in(page, nadia)
    return nadia


def make_order(user: Visitor, plan: str, **about: Any) -> dict[str, Any]:
    """Return the body of an order, with the consent to the newest terms."""
    version = user.ask("GET", "/billing/plans")["termsVersion"]
    consent = {"startNow": True, "acknowledgesLoss": True, "acceptsHourThreshold": True}
    return {"plan": plan, "consent": {"termsVersion": version} | consent} | (about or {"withoutAlert": True})


def order(user: Visitor, plan: str, **about: Any) -> str:
    """Order a plan; return the address of its Checkout page."""
    return str(user.ask("POST", "/billing/checkout", make_order(user, plan, **about))["checkoutUrl"])


def buy(user: Visitor, stripe: StripeControl, plan: str, **about: Any) -> dict[str, Any]:
    """Order, pay without a browser, and return the payment once its plan has begun."""
    assert stripe.pay(order(user, plan, **about).rpartition("/")[2])["error"] is None
    until(lambda: user.ask("GET", "/auth/me")["plan"] == plan, pause=LOOK)
    return newest_payment(user)


def newest_payment(user: Visitor) -> dict[str, Any]:
    payment: dict[str, Any] = user.ask("GET", "/billing/history")["items"][0]
    return payment


def pay_on_page(page: Page, url: str, button: str) -> None:
    """Click through a Checkout page, and land on the dashboard, which thanks."""
    page.goto(url)
    page.get_by_role("button", name=re.compile(button)).click()
    page.wait_for_url("**/dashboard?payment=success**")
    page.locator("[data-part=payment]", has_text="paiement est confirmé").wait_for()


def find_mails(user: Visitor, subject: str) -> list[dict[str, Any]]:
    return [each for each in user.messages("email") if subject in each["subject"]]


def find_customer(stack: Stack, payment: dict[str, Any]) -> str | None:
    """Return Stripe's id of a buyer, which the event of the session tells; that of the invoice may come before."""
    with Session(sa.create_engine(stack.environment["DATABASE_URL"])) as session:
        mine = sa.select(User.stripe_customer_id).join(Payment, Payment.user_id == User.id)
        return session.scalar(mine.where(Payment.id == payment["id"]))


def test_a_desk_that_no_check_can_see_is_not_sold(nadia: Visitor, stripe: StripeControl) -> None:
    refused = nadia.ask(
        "POST", "/billing/checkout", make_order(nadia, "URGENCE_7J", alert=CAPTCHA), expect=422
    )
    (error,) = refused["errors"]
    assert (error["path"], error["rule"]) == ("alert.deskIds.0", "not_watched")
    assert "captcha" in error["detail"]
    assert "nanterre_92/titre-sejour-vie-privee" in error["detail"]  # the alternative
    assert stripe.objects("checkout.session") == []


def test_a_buyer_pays_in_a_browser_and_is_told_of_a_slot(stack: Stack, nadia: Visitor, page: Page) -> None:
    url = order(nadia, "URGENCE_7J", alert=WISH)
    assert order(nadia, "URGENCE_7J", alert=WISH) == url  # a double click
    page.goto(url)
    assert "14,99" in page.inner_text("body")
    pay_on_page(page, url, "Payer")
    until(lambda: nadia.ask("GET", "/auth/me")["plan"] == "URGENCE_7J", pause=LOOK)
    (alert,) = nadia.ask("GET", "/alerts")["items"]
    until(lambda: nadia.ask("GET", f"/alerts/{alert['id']}")["lastProvenAt"], pause=LOOK)
    open_slot(stack)
    until(lambda: nadia.messages("email", slots=True))
    mails = nadia.messages("email")  # the oldest first
    (confirmation,) = find_mails(nadia, "Votre commande est confirmée")
    assert mails.index(confirmation) < next(index for index, each in enumerate(mails) if each["seen_at"])
    for words in ("14,99", "rétractation", "Médiateur d'exemple", "Article L. 215-1"):
        assert words in confirmation["text"]
    take_all(stack)
    page.goto(url)
    assert "Déjà payé" in page.inner_text("body")  # the back button


def test_an_upgrade_credits_the_cheaper_plan(nadia: Visitor, stripe: StripeControl, page: Page) -> None:
    quote = nadia.ask("GET", f"/billing/quote?plan={TOTAL}")
    assert quote["amount"] == 2999 - quote["credit"]
    assert 1400 < quote["credit"] <= 1499
    pay_on_page(page, order(nadia, TOTAL), "S’abonner")
    until(lambda: nadia.ask("GET", "/auth/me")["plan"] == TOTAL, pause=LOOK)
    paid = newest_payment(nadia)
    (credit,) = paid["credits"]
    (coupon,) = [each for each in stripe.objects("coupon") if each["id"] == f"credit-{paid['id']}"]
    assert (credit["reason"], paid["amount"] + credit["amount"]) == ("upgrade", 2999)
    assert coupon["amount_off"] == credit["amount"]
    until(lambda: find_mails(nadia, "Votre nouvelle formule a commencé"))


def test_an_outage_of_two_hours_is_credited(stack: Stack, stripe: StripeControl) -> None:
    ines = join(stack, "ines")
    payment = buy(ines, stripe, "URGENCE_24H", alert=WISH)
    shift_into_the_past(stack, payment["id"], timedelta(hours=2, minutes=20))
    run_job(stack, "credit_outages")
    (credit,) = newest_payment(ines)["credits"]
    assert credit["reason"] == "outage"
    assert 7200 <= credit["seconds"] <= 8400
    until(lambda: find_mails(ines, "Du temps vous est rendu"))


def shift_into_the_past(stack: Stack, payment_id: str, by: timedelta) -> None:
    """Let a payment be older than the first check of its desk, which is a quarter of an hour ago."""
    engine = sa.create_engine(stack.environment["DATABASE_URL"])
    with Session(engine) as session, session.begin():
        payment = session.get_one(Payment, payment_id)
        payment.created_at -= by
        mine = Grant.payment_id == payment.id
        session.execute(sa.update(Grant).where(mine).values(starts_at=Grant.starts_at - by))
        session.execute(
            sa.delete(Check).where(Check.desk_id == DESK, Check.started_at < clock() - timedelta(minutes=15))
        )
        waited = {"created_at": Alert.created_at - by, "watched_since": Alert.watched_since - by}
        session.execute(sa.update(Alert).where(Alert.user_id == payment.user_id).values(waited))
    add_check(DESK, started_at=clock() - timedelta(minutes=14))


def test_a_subscription_is_cancelled_at_its_end_or_sooner(nadia: Visitor, stripe: StripeControl) -> None:
    later = nadia.ask("POST", "/billing/cancel", {"periodEnd": True})
    assert (later["refund"], later["endsAt"]) == (0, newest_payment(nadia)["to"])
    day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    sooner = nadia.ask("POST", "/billing/cancel", {"on": day})
    assert sooner["endsAt"] < later["endsAt"]
    assert sooner["refund"] > 0
    assert newest_payment(nadia)["refunds"] == [], "nothing goes back before that day"
    until(lambda: len(find_mails(nadia, "Notification de résiliation reçue")) == 2)
    (subscription,) = stripe.objects("subscription")
    until(lambda: stripe.objects("subscription")[0]["cancel_at"], pause=LOOK)
    assert subscription["status"] == "active"


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Visitor:
    one = join(stack, "oscar")
    appoint_admin(one)
    return one


def test_an_operator_refunds_replays_and_reconciles(
    stack: Stack, stripe: StripeControl, admin: Visitor
) -> None:
    paul = join(stack, "paul")
    payment = buy(paul, stripe, "URGENCE_7J")
    admin.prove()
    path = f"/admin/paiements/{payment['id']}"
    refund(admin, path, "5,00")
    assert paul.ask("GET", "/auth/me")["plan"] == "URGENCE_7J"
    refund(admin, path)
    until(lambda: "Tout est rendu" in admin.open(path), pause=LOOK)
    assert paul.ask("GET", "/auth/me")["plan"] == "NONE"
    check_events(admin, path)
    stripe.webhook(mode="lose")
    found = buy_unheard(paul, stripe)
    assert run_job(stack, "reconcile_payments")["left"] == 0
    stripe.webhook(mode="normal")
    until(lambda: paul.ask("GET", "/auth/me")["plan"] == "URGENCE_24H", pause=LOOK)
    differences = admin.open("/admin/paiements/ecarts")
    shown = html.unescape(differences[differences.index(found) :].partition("</tr>")[0])
    assert '"status": "PENDING"' in shown
    assert '"payment_status": "paid"' in shown
    assert "oui" in shown


def refund(admin: Visitor, path: str, euros: str = "") -> None:
    """Have the admin give back an amount of a payment, or all that is left."""
    asked = f"{path}/remboursement?amount={euros}"
    number = re.search(r"recopiez le numéro : (\w+)", admin.open(asked))
    assert number
    said = admin.send(asked, "/remboursement", note="a gesture", typed=number[1])
    assert "Stripe est prié de rendre" in said


def buy_unheard(user: Visitor, stripe: StripeControl) -> str:
    """Pay an order whose events are lost; return its session."""
    session_id = order(user, "URGENCE_24H").rpartition("/")[2]
    assert stripe.pay(session_id)["error"] is None
    assert newest_payment(user)["status"] == "PENDING"
    return session_id


def check_events(admin: Visitor, path: str) -> None:
    """Replay the newest event of a payment, which changes nothing."""
    query = "/admin/evenements-stripe?type=refund.created&open=false"

    def find_applied(after: str = "") -> tuple[str, str] | None:
        newest = re.search(
            r'<code>(evt_\w+)</code>.*?Appliqué</span>.*?datetime="([^"]+)"', admin.open(query), re.DOTALL
        )
        return (newest[1], newest[2]) if newest and newest[2] > after else None

    event, applied_at = until(find_applied, pause=LOOK)
    before = read_main(admin.open(path))
    admin.send(f"/admin/evenements-stripe/{event}/rejeu", "/rejeu")
    until(lambda: find_applied(after=applied_at), pause=LOOK)
    assert read_main(admin.open(path)) == before


def read_main(page: str) -> str:
    """Return what a page says, without what is of each request."""
    return page[page.index("<main") : page.index("</main>")]


def test_a_card_that_fails_at_renewal_leaves_days_of_grace_and_the_portal(
    stack: Stack, stripe: StripeControl, page: Page
) -> None:
    marc = join(stack, "marc")
    bought = buy(marc, stripe, TOTAL, alert=WISH)
    until(lambda: find_customer(stack, bought), pause=LOOK)
    sign_in(page, marc)
    page.goto(marc.ask("POST", "/billing/portal")["portalUrl"])
    page.get_by_label("Moyen de paiement").select_option("fails_later")
    page.get_by_role("button", name="Changer de carte").click()
    page.get_by_role("link", name="Retour au site").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Mes alertes"
    stripe.advance(days=31, hours=2)
    mail = until(lambda: find_mails(marc, "Votre paiement n’a pas abouti"))[0]
    renewal = newest_payment(marc)
    assert (renewal["renewal"], renewal["status"]) == (True, "FAILED")
    assert [(each["reason"], each["seconds"]) for each in renewal["credits"]] == [("grace", 3 * 86400)]
    link = re.search(r"http://\S+/l/portal\.\S+", mail["text"])
    assert link, mail["text"]
    page.goto(link[0])
    page.get_by_role("button", name="Ouvrir ma page chez Stripe").click()
    page.wait_for_url("**/p/session/**")
    assert page.get_by_role("heading", level=1).inner_text() == "Votre abonnement"
