"""Orders, quotes and cancellations that make no sense: each is refused with words, whatever the user's state."""

from collections.abc import Callable
from typing import Any

import pytest

from api.models.payment import Payment, Subscription
from api.models.stripe_command import CommandKind
from api.models.user import ContactState
from api.payments.executors import carry_out
from configs.world.plan import PlanName
from tests.api.billing.till import ALERT, Till
from tests.api.payments.shop import find_customer, find_intent, order_refund
from tests.clients import People, problem
from tests.factories import rows

DAY, WEEK, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL
PLANS = (DAY, WEEK, TOTAL)


@pytest.mark.parametrize(
    ("confirmed", "state", "status"),
    [(False, ContactState.OK, 403), (True, ContactState.BOUNCED, 409)],
    ids=["new", "bounced"],
)
def test_an_address_that_gets_no_alerts_buys_nothing(
    till: Till, confirmed: bool, state: ContactState, status: int
) -> None:
    till.confirm(confirmed=confirmed, state=state)
    refused = till.order(alert=ALERT)
    assert problem(refused) == (status, "address-unconfirmed")
    assert "POST /api/auth/verify-email/again" in refused.json["detail"]
    assert rows(Payment) == []
    assert till.shop.control.requests("/v1/checkout") == []
    till.confirm()
    assert till.order(alert=ALERT).status_code == 200


def hold_nothing(_: Till) -> None:
    return


def buy(*names: PlanName) -> Callable[[Till], None]:
    def act(till: Till) -> None:
        for name in names:
            till.buy(name)

    return act


def cancel(till: Till) -> None:
    till.buy(TOTAL)
    assert till.post("cancel", {"periodEnd": True}).status_code == 200


def miss_renewal(till: Till) -> None:
    till.buy(TOTAL)
    till.shop.control.use_card(find_customer(till.person.id), "fails_later")
    till.shop.pass_time(days=6)
    till.shop.control.move_to(int(till.shop.control.state()["clock"]) + 25 * 86_400 + 7200)
    till.shop.deliver()


def give_back(till: Till) -> None:
    till.buy(WEEK)
    (payment,) = rows(Payment)
    carry_out(CommandKind.REFUND, order_refund(payment.id, 1499))


def lose_dispute(till: Till) -> None:
    till.buy(WEEK)
    (payment,) = rows(Payment)
    opened = till.shop.control.dispute(find_intent(payment.id))
    till.shop.control.close_dispute(opened["id"], "lost")
    till.shop.deliver()


def open_pages(till: Till) -> None:
    for name in (DAY, WEEK, TOTAL):
        assert till.order(name).status_code == 200


# What GET quote answers for each of the three plans, by what the user holds.
STATES: dict[str, tuple[Callable[[Till], None], tuple[int, int, int]]] = {
    "nothing": (hold_nothing, (200, 200, 200)),
    "a day": (buy(DAY), (200, 200, 200)),
    "a week": (buy(WEEK), (409, 200, 200)),
    "a week after a day": (buy(DAY, WEEK), (409, 200, 200)),
    "a month": (buy(TOTAL), (409, 409, 409)),
    "a month after a week": (buy(WEEK, TOTAL), (409, 409, 409)),
    "a cancelled month": (cancel, (409, 409, 409)),
    "days of grace": (miss_renewal, (409, 409, 409)),
    "a refunded week": (give_back, (200, 200, 200)),
    "a lost dispute": (lose_dispute, (200, 200, 200)),
    "open pages": (open_pages, (200, 200, 200)),
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_a_quote_or_a_date(till: Till, state: str) -> None:
    reach, expected = STATES[state]
    reach(till)
    answers = [till.get("quote", plan=each.value) for each in PLANS]
    assert tuple(each.status_code for each in answers) == expected
    for answer in answers:
        if answer.status_code == 200:
            assert answer.json["amount"] == answer.json["price"] - answer.json["credit"] >= 50
            assert answer.json["from"] < answer.json["to"]
        else:
            assert answer.json["availableFrom"]


BAD_QUERIES: dict[str, list[dict[str, Any]]] = {
    "quote": [
        {},
        {"plan": ""},
        {"plan": "NONE"},
        {"plan": "GOLD"},
        {"plan": "\0"},
        {"plan": "URGENCE_7J,URGENCE_24H"},
    ],
    "history": [{"before": "x"}, {"before": "\0"}, {"limit": 0}, {"limit": 101}, {"more": 1}],
}
BAD_DAYS = ("0001-01-01", "9999-12-31", "2026-02-30", "2026-11-25T00:00:00Z", "\0", None, 20261125)
BAD_CANCELLATIONS: list[dict[str, Any]] = [
    *({"on": day} for day in BAD_DAYS), {"periodEnd": False}, {"periodEnd": "true"},
    {"periodEnd": True, "on": None, "more": 1},
]  # fmt: skip


def test_rubbish_is_refused_and_changes_nothing(till: Till) -> None:
    till.buy(TOTAL)
    for path, queries in BAD_QUERIES.items():
        for query in queries:
            assert till.get(path, **query).status_code == 422, (path, query)
    for body in BAD_CANCELLATIONS:
        assert till.post("cancel", body).status_code == 422, body
    assert [each.cancel_wanted_at for each in rows(Subscription)] == [None]


def test_the_back_button_long_after_paying_is_an_order_of_its_own(till: Till) -> None:
    """Nothing is paid again by itself: a second page is shown, which says that it extends the plan."""
    first = till.order(WEEK)
    till.pay(first)
    assert till.get("quote", plan=WEEK.value).json["extends"] is True
    again = till.order(WEEK)
    assert (again.status_code, again.json["paymentId"] != first.json["paymentId"]) == (200, True)
    assert [each["captured"] for each in till.shop.control.ledger()] == [1499]
    till.shop.control.pay(first.json["checkoutUrl"].rpartition("/")[2])
    assert [each["captured"] for each in till.shop.control.ledger()] == [1499], "a page is paid once"


def test_a_subscription_that_has_ended_cannot_be_cancelled(till: Till) -> None:
    till.buy(TOTAL)
    (subscription,) = till.shop.control.objects("subscription")
    till.shop.control.cancel_subscription(subscription["id"])
    till.shop.deliver()
    assert till.post("cancel", {"periodEnd": True}).status_code == 409


def test_nothing_of_another_user_s_payments_can_be_seen_or_changed(till: Till, person: People) -> None:
    till.buy(TOTAL)
    (payment,) = rows(Payment)
    stranger = Till(till.shop, person("stranger@example.org"))
    assert stranger.get("history", before=str(payment.id)).json["items"] == []
    assert stranger.post("cancel", {"periodEnd": True}).status_code == 409
    assert stranger.post("portal", {}).status_code == 409
    assert stranger.get("quote", plan=TOTAL.value).json["credit"] == 0
    assert [each.cancel_wanted_at for each in rows(Subscription)] == [None]
