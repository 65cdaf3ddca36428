"""Orders: what is refused, what Stripe is asked for, double clicks; and phrases that the law wants in each version of the terms of sale.

Statutory texts are compared word for word where docs/legal.md says that they were found so.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.models.alert import Alert
from api.models.payment import Payment, PaymentStatus, PlanCredit, Refund, RefundReason
from api.models.stripe_event import CommandKind
from api.models.user import Contact, ContactState, User
from api.payments.exchange.commands import carry_out
from api.payments.gateway.client import call
from configs.ground.clock import clock
from configs.world import sales_terms
from configs.world.desk import Outcome
from configs.world.plan import PlanName, plans
from tests.api.payments.shop import find_intent, list_messages, order_refund
from tests.api.payments.till import ALERT, Till, make_consent
from tests.clients import problem
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, add_desk, change, rows
from tests.in_turn import in_turn

_SESSIONS = "/v1/checkout/sessions"


@in_turn(
    "changes, path",
    [
        ({"consent": make_consent(startNow=False)}, "consent.startNow"),
        ({"consent": make_consent(acknowledgesLoss=False)}, "consent.acknowledgesLoss"),
        ({"consent": make_consent(termsVersion="2020-01-01")}, "consent.termsVersion"),
        ({"plan": "NONE"}, "plan"),
        ({"alert": {"deskIds": ["nowhere/no-desk"]}}, "alert.deskIds.0"),
        ({"withoutAlert": False}, ""),
        ({"withoutAlert": True, "alert": ALERT}, ""),
    ],
)
def test_an_order_without_consent_or_choice_is_refused(
    till: Till, changes: dict[str, Any], path: str
) -> None:
    answer = till.order(**changes)
    assert (answer.status_code, [each["path"] for each in answer.json["errors"]]) == (422, [path])
    assert rows(Payment) == []


def test_an_order_is_written_with_its_consent_and_its_payment_creates_the_alert(till: Till) -> None:
    add_desk()
    answer = till.order(alert=ALERT)
    assert answer.status_code == 200
    (payment,), (page,) = rows(Payment), till.sessions()
    assert answer.json == {
        "checkoutUrl": page["url"],
        "paymentId": str(payment.id),
        "expiresAt": "2026-11-20T10:00:00Z",
        "desksWatched": 2,
        "notWatched": [
            {
                "deskId": "bobigny_93/naturalisation",
                "because": "hidden",
                "detail": "a captcha stands before the slots",
            }
        ],
        "beginsAt": None,
    }
    assert (payment.status, payment.amount_cents) == (PaymentStatus.PENDING, 1499)
    assert (payment.consent, payment.consented_at) == (make_consent(), clock())
    assert payment.consent_text.count("\n") == 2
    assert page["metadata"] == {"payment": str(payment.id), "plan": "URGENCE_7J"}
    assert page["success_url"] == "https://front.example/dashboard?payment=success&plan=URGENCE_7J"
    assert page["cancel_url"] == "https://front.example/register?payment=cancelled"
    assert (page["mode"], page["amount_total"], page["customer_email"]) == (
        "payment",
        1499,
        till.person.email,
    )
    (call,) = [each for each in till.shop.control.requests(_SESSIONS) if each["method"] == "POST"]
    assert str(payment.id) in str(call)
    till.pay(answer)
    (alert,), (payment,) = rows(Alert), rows(Payment)
    assert (alert.user_id, alert.enabled) == (till.person.id, True)
    assert (payment.alert_id, payment.alert_wish) == (alert.id, None)
    assert till.shop.door.caught_up == [alert.id]


def test_nothing_is_sold_that_no_check_proves_nor_a_plan_for_alerts_that_only_wait(till: Till) -> None:
    for change_of in ({"alert": ALERT}, {"withoutAlert": True}):
        answer = till.order(is_proven=False, **change_of)
        (error,) = answer.json["errors"]
        assert (answer.status_code, error["rule"]) == (422, "not_watched")
    waiting = till.person.post("/api/alerts", ALERT | {"acceptWaiting": True})
    assert waiting.json["awaitsWatch"] is True
    (error,) = till.order(is_proven=False).json["errors"]
    assert (error["path"], "bobigny_93/titre-sejour: it is being tried" in error["detail"]) == (
        "withoutAlert",
        True,
    )
    prove_desks()
    assert till.order(is_proven=False).json["desksWatched"] == 2


@pytest.mark.journey
def test_an_order_of_which_some_is_not_watched_says_so_and_what_went_until_it_was_paid_waits(
    till: Till,
) -> None:
    answer = till.order(alert=ALERT)
    assert [each["deskId"] for each in answer.json["notWatched"]] == ["bobigny_93/naturalisation"]
    for _ in range(5):
        prove_desks(BOBIGNY, outcome=Outcome.UNREADABLE, times=1)
    till.pay(answer)
    (alert,) = rows(Alert)
    assert (alert.awaits_watch, alert.enabled, till.read_plan()) == (True, False, PlanName.NONE)
    assert [each.reason for each in rows(Refund)] == [RefundReason.NOT_WATCHED]


def test_an_alert_that_the_plan_cannot_carry_by_then_is_paused_and_told(till: Till) -> None:
    change(Contact, verified_at=clock())
    till.buy(PlanName.URGENCE_24H)
    wished = till.order(PlanName.URGENCE_24H, alert=ALERT | {"name": "Maman"})
    made = till.person.post("/api/alerts", ALERT)
    assert made.status_code == 201, made.json
    till.pay(wished)
    names = {each.name: each.enabled for each in rows(Alert)}
    assert names == {None: True, "Maman": False}
    assert list_messages() == ["order", "alerts_paused", "order"]
    assert rows(Payment)[-1].status is PaymentStatus.COMPLETED


def test_the_back_button_after_paying_buys_nothing_twice(till: Till) -> None:
    first = till.order()
    assert first.json
    till.shop.control.pay(first.json["checkoutUrl"].rpartition("/")[2], card="visa")
    again = till.order()  # before any event has come
    assert problem(again) == (409, "already-paid")
    assert len(rows(Payment)) == 1


def test_what_stripe_refuses_is_our_fault_and_can_be_ordered_again(till: Till, settings_env: Any) -> None:
    settings_env(STRIPE_PRICE_7J="price_of_nobody")
    assert till.order().status_code == 503
    (payment,) = rows(Payment)
    assert payment.status is PaymentStatus.FAILED
    settings_env(STRIPE_PRICE_7J="price_sandbox_7j")
    assert till.order().status_code == 200


def test_three_orders_may_wait_and_no_fourth(till: Till) -> None:
    add_desk()
    wishes: list[dict[str, Any]] = [{}, {"alert": ALERT}, {"alert": ALERT | {"name": "Maman"}}]
    assert [till.order(**each).status_code for each in wishes] == [200, 200, 200]
    fourth = till.order(alert=ALERT | {"name": "Papa"})
    assert problem(fourth) == (409, "too-many-checkouts")
    assert fourth.json["availableFrom"] == "2026-11-20T10:00:00Z"
    till.shop.pass_time(minutes=61)
    assert till.order().status_code == 200


def test_many_at_once_do_not_pass_the_limit(till: Till) -> None:
    def order(number: int) -> int:
        return till.order(alert=ALERT | {"name": f"Personne {number}"}).status_code

    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(order, range(12)))
    assert sorted(codes) == [200] * 3 + [409] * 9
    assert len(till.sessions()) == 3


def test_a_dearer_plan_credits_the_cheaper_one_and_ends_it_as_its_quote_says(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H)
    till.shop.pass_time(hours=6)
    quote = till.get("quote", plan="URGENCE_7J").json
    assert (quote["price"], quote["credit"], quote["amount"], quote["notCredited"]) == (1499, 375, 1124, 0)
    assert (quote["from"], quote["to"]) == ("2026-11-20T15:00:00Z", "2026-11-27T15:00:00Z")
    assert "11,24" in quote["words"]["fr"]
    assert "URGENCE 24H" in quote["words"]["en"]
    again = till.get("quote", plan="URGENCE_24H").json
    assert (again["extends"], again["from"], again["credit"]) == (True, "2026-11-21T09:00:00Z", 0)
    answer = till.order(PlanName.URGENCE_7J)
    (credit,) = rows(PlanCredit)
    assert (credit.amount_cents, credit.seconds) == (375, 18 * 3600)  # 374.25 cents, rounded up
    page = till.sessions()[-1]
    assert (page["amount_total"], page["allow_promotion_codes"]) == (1124, None)
    till.pay(answer)
    assert till.get("history").json["items"][0]["credits"][0]["reason"] == "upgrade"
    assert list_messages() == ["order", "order", "plan_upgraded"]
    held = till.person.get("/api/auth/me").json
    assert (held["plan"], held["planExpiresAt"]) == ("URGENCE_7J", "2026-11-27T15:00:00Z")


def test_two_orders_do_not_credit_the_same_time(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H)
    first, second = till.order(PlanName.URGENCE_7J), till.order(PlanName.URGENCE_TOTAL)
    assert (first.status_code, second.status_code) == (200, 200)
    states = {each["mode"]: each["status"] for each in till.sessions() if each["status"] != "complete"}
    assert states == {"payment": "expired", "subscription": "open"}


def test_the_newest_choice_of_a_plan_counts(till: Till) -> None:
    till.order(PlanName.URGENCE_24H)
    till.order(PlanName.URGENCE_7J)
    till.order(PlanName.URGENCE_7J, alert=ALERT)  # beside the other week, which it would extend
    assert [(each["amount_total"], each["status"]) for each in till.sessions()] == [
        (499, "expired"),
        (1499, "open"),
        (1499, "open"),
    ]


def test_promotion_codes_are_stripe_s_and_never_beside_a_credit(till: Till, settings_env: Any) -> None:
    settings_env(STRIPE_PROMOTION_CODES="true")
    till.buy(PlanName.URGENCE_24H)
    assert till.order(PlanName.URGENCE_7J).status_code == 200
    assert [each["allow_promotion_codes"] for each in till.sessions()] == [True, None]


def test_prices_come_from_the_settings_or_the_plans(till: Till, settings_env: Any) -> None:
    till.order(PlanName.URGENCE_24H)
    settings_env(STRIPE_PRICE_TOTAL="price_sandbox_total")
    till.order(PlanName.URGENCE_TOTAL)
    assert [(each["mode"], each["amount_total"]) for each in till.sessions()] == [
        ("payment", 499),
        ("subscription", 2999),
    ]


def test_an_alert_that_the_plan_would_not_carry_is_refused(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H, alert=ALERT)
    refused = till.order(PlanName.URGENCE_24H, alert=ALERT | {"name": "Maman"})
    assert problem(refused) == (409, "plan-limit")
    assert till.order(PlanName.URGENCE_24H).status_code == 200


@pytest.mark.journey
def test_fifty_cents_are_left_to_pay(till: Till) -> None:
    for _ in range(4):
        till.buy(PlanName.URGENCE_24H)
    quote = till.get("quote", plan="URGENCE_7J").json
    assert (quote["amount"], quote["credit"], quote["notCredited"]) == (50, 1449, 4 * 499 - 1449)
    assert "5,47" in quote["words"]["fr"]


def test_a_cheaper_plan_or_a_second_subscription_says_from_when(till: Till) -> None:
    till.buy(PlanName.URGENCE_7J)
    cheaper = till.order(PlanName.URGENCE_24H)
    assert (cheaper.status_code, cheaper.json["availableFrom"]) == (409, "2026-11-27T09:00:00Z")
    till.buy(PlanName.URGENCE_TOTAL)
    for name in PlanName.URGENCE_TOTAL, PlanName.URGENCE_7J:
        second = till.get("quote", plan=name.value)
        assert problem(second) == (409, "plan-held")
        assert second.json["availableFrom"][:10] == f"{clock() + timedelta(days=30):%Y-%m-%d}"


def test_a_customer_deleted_at_stripe_can_order_again(till: Till) -> None:
    till.buy(PlanName.URGENCE_24H)
    (user,) = [each for each in rows(User) if each.id == till.person.id]
    call(lambda c: c.v1.customers.delete(str(user.stripe_customer_id)))
    assert till.post("portal", {}).status_code == 409
    change(User, stripe_customer_id=user.stripe_customer_id)
    till.buy(PlanName.URGENCE_24H)
    (now,) = [each for each in rows(User) if each.id == till.person.id]
    assert now.stripe_customer_id not in (None, user.stripe_customer_id)


DAY, WEEK, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL
PLANS = (DAY, WEEK, TOTAL)


def test_an_address_from_which_mails_come_back_buys_nothing(till: Till) -> None:
    till.confirm(state=ContactState.BOUNCED)
    refused = till.order(alert=ALERT)
    assert problem(refused) == (409, "address-unconfirmed")
    assert "POST /api/auth/verify-email/again" in refused.json["detail"]
    assert rows(Payment) == []
    assert till.shop.control.requests("/v1/checkout") == []
    till.confirm()
    assert till.order(alert=ALERT).status_code == 200


def buy(name: PlanName) -> Callable[[Till], None]:
    return lambda till: till.buy(name)


def cancel(till: Till) -> None:
    assert till.post("cancel", {"periodEnd": True}).status_code == 200


def miss_renewal(till: Till) -> None:
    till.buy(TOTAL)
    till.use_bad_card()
    till.shop.pass_time(days=6)
    till.shop.control.move_to(int(till.shop.control.state()["clock"]) + 25 * 86_400 + 7200)
    till.shop.deliver()


def give_back(till: Till) -> None:
    (payment,) = rows(Payment)
    carry_out(CommandKind.REFUND, order_refund(payment.id, 1499))


def lose_dispute(till: Till) -> None:
    till.buy(WEEK)
    payment = max(rows(Payment), key=lambda each: each.id)
    opened = till.shop.control.dispute(find_intent(payment.id))
    till.shop.control.close_dispute(opened["id"], "lost")
    till.shop.deliver()


def open_pages(till: Till) -> None:
    for name in (DAY, WEEK, TOTAL):
        assert till.order(name).status_code == 200


# What happens to a user in turn, and what GET quote answers then for each of the three plans.
ALL, LARGER, NONE = (200, 200, 200), (409, 200, 200), (409, 409, 409)
STORIES: list[list[tuple[Callable[[Till], None], tuple[int, int, int]]]] = [
    [(lambda _: None, ALL), (buy(DAY), ALL), (buy(WEEK), LARGER), (buy(TOTAL), NONE), (cancel, NONE)],
    [(buy(WEEK), LARGER), (give_back, ALL), (lose_dispute, ALL), (open_pages, ALL)],
    [(miss_renewal, NONE)],
]


@pytest.mark.parametrize("story", STORIES, ids=["larger and larger", "money back", "days of grace"])
def test_each_state_has_a_quote_or_a_date(
    till: Till, story: list[tuple[Callable[[Till], None], tuple[int, int, int]]]
) -> None:
    for reach, expected in story:
        reach(till)
        answers = [till.get("quote", plan=each.value) for each in PLANS]
        assert tuple(each.status_code for each in answers) == expected
        for answer in answers:
            if answer.status_code == 200:
                assert answer.json["amount"] == answer.json["price"] - answer.json["credit"] >= 50
                assert answer.json["from"] < answer.json["to"]
            else:
                assert answer.json["availableFrom"]


VERSIONS = sorted(path.name for path in sales_terms.TERMS.iterdir() if path.is_dir())
IN_EVERY_VERSION = {
    "box of D.211-4": "durant ce délai, le consommateur n’est tenu d’établir que l’existence du défaut",
    "L.242-18-1, in the box": "amende civile d’un montant maximal de 300 000 euros",
    "hidden defects, in the box": "articles 1641 à 1649 du code civil",
    "L.215-1": "article l. 215-1. pour les contrats de prestations de services conclus pour une durée déterminée",
    "L.215-1, fifth paragraph": "dès lors qu’il change de domicile ou que son foyer fiscal évolue",
    "L.215-1-1": "article l. 215-1-1. lorsqu’un contrat a été conclu par voie électronique",
    "L.215-2": "article l. 215-2. les dispositions du présent chapitre, à l’exception de l’article l. 215-1-1",
    "L.215-3": "article l. 215-3. les dispositions du présent chapitre sont également applicables",
    "L.241-3": "article l. 241-3. lorsque le professionnel n’a pas procédé au remboursement",
    "L.221-18": "sans donner de motif dans un délai de quatorze jours",
    "L.221-19": "un samedi, un dimanche ou un jour férié",
    "L.221-25": "demandé expressément qu’il commence tout de suite",
    "L.221-28 1°": "quand le service a été pleinement exécuté",
    "R.221-1, the form": "je vous notifie par la présente ma rétractation du contrat pour la prestation de services",
    "R.221-2": "téléphone :",
    "L.224-25-8": "numéro non surtaxé",
    "L.224-25-9": "à dix jours après votre demande",
    "open-ended": "à durée indéterminée",
    "L.224-25-5, quality": "niveau minimal de qualité",
    "L.224-25-5, data": "données nécessaires",
    "L.224-25-5, security": "incident de sécurité",
    "L.224-25-5, accessibility": "accessibilité",
    "L.224-25-14 III": "accepté séparément, à la commande, le seuil d’une heure",
    "L.224-25-16": "c’est à nous de prouver",
    "L.224-25-23": "dans les quatorze jours, par le moyen de paiement",
    "L.224-25-26": "sans frais pendant trente jours",
    "R.616-1": "le médiateur de la consommation",
    "private service": "rdvpriority est un service privé",
    "free appointments": "un rendez-vous en préfecture est gratuit",
}
SINCE_THE_ONLINE_FUNCTION = {
    "R.221-3 (3), the address": "exercer votre droit de rétractation en ligne sur http",
    "R.221-3 (3), the receipt": "un accusé de réception de la rétractation sur un support durable (par exemple, par "
    "courriel), y compris son contenu ainsi que la date et l’heure de sa soumission",
    "R.221-3 (6)": "vous devrez nous payer un montant proportionnel à ce qui vous a été fourni",
    "R.221-1, the instruction": "uniquement si vous souhaitez vous rétracter du contrat",
    "D.221-5, the words and the place": "« renoncer au contrat ici » se trouve, pendant tout le délai, dans votre compte",
    "D.215-1, the words": "« résilier votre contrat » au bas de chaque page",
    "L.215-1-1, without a login": "sans compte ni mot de passe, sur http",
    "open-ended, billed monthly": "sans durée minimale, facturé chaque mois d’avance",
    "box of D.211-4, first X": "durant un délai de 24 heures (urgence 24h), de 7 jours (urgence 7j)",
    "box of D.211-4, second X": "du service numérique durant 24 heures (urgence 24h), 7 jours (urgence 7j)",
    "L.221-14, the button": "« commande avec obligation de paiement »",
    "L.223-2": "il est interdit de démarcher par téléphone un consommateur sans son consentement préalable",
    "L.224-25-14 I 4°": "sans interruption",
    "L.224-25-18": "aucun paiement n’est dû pour le temps où le service n’était pas conforme",
    "L.224-25-21": "proportionnelle au temps non surveillé",
    "arrêté 83-50/A": "à partir de 25 €, la page de commande montre avant le paiement une note",
    "L.213-1": "pendant dix ans",
}


def read_words(version: str) -> str:
    return " ".join(sales_terms.read_terms(version, sales_terms.BINDING).replace("> ", "").lower().split())


@in_turn("version", VERSIONS)
def test_every_version_has_what_the_law_wants(version: str) -> None:
    words = read_words(version)
    wanted = IN_EVERY_VERSION | (SINCE_THE_ONLINE_FUNCTION if version >= "2026-11-22" else {})
    assert [article for article, each in wanted.items() if each not in words] == []


@in_turn("version", VERSIONS)
def test_no_version_calls_the_right_lost_once_begun_nor_names_the_closed_platform(version: str) -> None:
    words = read_words(version)
    assert not re.search(r"per(d|te)[^.]*dès (le|que le) (début|service commence)", words)
    assert "ec.europa.eu/consumers/odr" not in words
    assert "contenu numérique non fourni sur un support matériel" not in words  # L.221-28 13° is not ours


@in_turn("language, version", product(("fr", "en"), VERSIONS))
def test_every_version_is_complete_and_none_awaits_a_lawyers_text(version: str, language: str) -> None:
    text = sales_terms.read_terms(version, language)
    assert "${" not in text
    assert not re.search(r"\[(?!SELLER_|SUPPORT_EMAIL|MEDIATOR)[^\]]*\]", text), "a gap that was never filled"
    sentences = sales_terms.read_consent(version, language)
    assert sentences.start_now
    assert sentences.acknowledges_loss != sentences.accepts_hour_threshold


def test_the_newest_asks_for_an_express_request_in_the_laws_words() -> None:
    version = sales_terms.find_newest_version()
    assert "expressément" in sales_terms.read_consent(version, "fr").start_now
    assert "expressly" in sales_terms.read_consent(version, "en").start_now
    for language, word in (("fr", "sépar"), ("en", "separ")):
        assert sales_terms.read_consent(version, language).accepts_hour_threshold.count(word) == 1


CHANNELS = {  # as the terms call them
    "fr": {
        "email": "courriel", "telegram": "Telegram", "sms": "SMS", "voice": "appels téléphoniques",
        "push": "notification dans votre navigateur",
    },
    "en": {
        "email": "e-mail", "telegram": "Telegram", "sms": "SMS", "voice": "phone calls",
        "push": "notification in your browser",
    },
}  # fmt: skip


def test_the_plans_are_public_and_have_an_etag(bare: FlaskClient) -> None:
    answer = bare.get("/api/billing/plans")
    assert answer.json
    assert [each["plan"] for each in answer.json["items"]] == ["URGENCE_24H", "URGENCE_7J", "URGENCE_TOTAL"]
    assert answer.json["termsVersion"] == sales_terms.find_newest_version()
    assert "pleinement exécuté" in answer.json["consent"]["acknowledgesLoss"]["fr"]
    same = bare.get("/api/billing/plans", headers={"If-None-Match": answer.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")


def test_the_terms_name_the_seller(bare: FlaskClient, settings_env: Callable[..., None]) -> None:
    settings_env(
        SELLER_NAME="Vigie SAS",
        MEDIATOR="Médiation, 1 rue du Droit, 75001 Paris, https://mediateur.example",
        SUPPORT_EMAIL="aide@example.org",
    )
    terms = bare.get("/api/billing/terms").json
    assert terms
    for text in (terms["fr"], terms["en"]):
        assert "Vigie SAS" in text
        assert "Médiation, 1 rue du Droit, 75001 Paris" in text
        assert "https://mediateur.example" in text
        assert "aide@example.org" in text
        assert "${" not in text
    assert "non applicable, art. 293 B" in terms["fr"]


@in_turn("language", ["fr", "en"])
def test_the_terms_say_the_prices_and_the_channels_of_the_plans(language: str) -> None:
    text = sales_terms.read_terms(sales_terms.find_newest_version(), language).replace(
        "\N{NO-BREAK SPACE}", " "
    )
    for name, each in plans().items():
        if name is PlanName.NONE:
            continue
        euros, cents = divmod(each.price_cents, 100)
        price = f"{euros},{cents:02} €" if language == "fr" else f"€{euros}.{cents:02}"
        (line,) = [
            row for row in text.splitlines() if re.match(rf"\* {name.value.replace('_', ' ')} ?:", row)
        ]
        assert price in line
        assert f" {each.interval_seconds} second" in line
        assert {channel for channel, words in CHANNELS[language].items() if words in line} == each.channels


@in_turn("language, many", [("fr", "6 personnes par an"), ("en", "6 people a year")])
def test_the_terms_name_a_friends_days_where_they_are_given(
    language: str, many: str, settings_env: Callable[..., None]
) -> None:
    settings_env(FRIENDS="false")
    assert many not in sales_terms.read_terms(sales_terms.find_newest_version(), language)
    settings_env(FRIENDS="true")
    text = sales_terms.read_terms(sales_terms.find_newest_version(), language)
    assert many in text
    for name, each in plans().items():
        days = re.compile(rf"\b{each.friend_days} (jour|day)s? (pour|for) {name.value.replace('_', ' ')}")
        assert bool(days.search(text)) is bool(each.friend_days)


def test_other_languages_get_french_and_other_versions_an_error() -> None:
    version = sales_terms.find_newest_version()
    assert sales_terms.read_terms(version, "ar") == sales_terms.read_terms(version, "fr")
    assert sales_terms.read_consent(version, "ar") == sales_terms.read_consent(version, "fr")
    for wrong in ("2020-01-01", "../terms", ".."):
        with pytest.raises(LookupError):
            sales_terms.read_terms(wrong, "fr")
