"""Whatever customers, operators and time do: the money adds up, and events tell what the objects say."""

import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.stripe import controls
from deploy.sandbox.stripe.api import ApiCall
from deploy.sandbox.stripe.cards import CARDS
from deploy.sandbox.stripe.objects import show
from deploy.sandbox.stripe.stand_in import Stripe
from tests.fuzz import times

DAY = 86_400
# What is changed without an event of its own.
SILENT = {"attempt_count", "attempted", "amount", "amount_paid", "auto_advance", "automatically_finalizes_at"}


class Money(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stripe = Stripe()

    def call(self, method: str, path: str, **fields: Any) -> Any:
        headers = {"Authorization": "Bearer sk_test_tests"}
        answer = self.stripe.api.answer(ApiCall(method, f"/v1/{path}", urlencode(fields), headers))
        assert answer.status < 500, answer.body
        return json.loads(answer.body)

    def do(self, control: Any, *args: Any, **fields: Any) -> None:
        with suppress(Refusal):
            controls.run_control(self.stripe, control, *args, **fields)

    def some(self, kind: str, data: Any) -> str:
        return str(data.draw(st.sampled_from([each["id"] for each in self.stripe.account.all(kind)])))

    def has(self, kind: str) -> bool:
        return bool(self.stripe.account.all(kind))

    @rule(
        price=st.sampled_from(["24h", "7j", "total"]),
        card=st.sampled_from(sorted(CARDS)),
        authenticate=st.sampled_from(["pass", "fail", "leave"]),
    )
    def buy(self, price: str, card: str, authenticate: str) -> None:
        items = {"line_items[0][price]": f"price_sandbox_{price}", "line_items[0][quantity]": 1}
        mode = "subscription" if price == "total" else "payment"
        made = self.call("POST", "checkout/sessions", mode=mode, success_url="http://x", **items)
        self.do(controls.pay, made["id"], card=card, authenticate=authenticate, email="a@example.org")

    @precondition(lambda self: self.has("payment_intent"))
    @rule(data=st.data(), amount=st.none() | st.integers(1, 3000))
    def refund(self, data: Any, amount: int | None) -> None:
        fields = {"payment_intent": self.some("payment_intent", data)} | (
            {"amount": amount} if amount else {}
        )
        self.call("POST", "refunds", **fields)

    @precondition(lambda self: self.has("payment_intent"))
    @rule(
        data=st.data(),
        act=st.sampled_from([controls.refund, controls.dispute, controls.warn_of_fraud, controls.settle]),
    )
    def act_on_payment(self, data: Any, act: Any) -> None:
        self.do(act, self.some("payment_intent", data))

    @precondition(lambda self: self.has("dispute"))
    @rule(data=st.data(), status=st.sampled_from(["won", "lost"]))
    def close_dispute(self, data: Any, status: str) -> None:
        self.do(controls.close_dispute, self.some("dispute", data), status=status)

    @precondition(lambda self: self.has("refund"))
    @rule(data=st.data())
    def fail_refund(self, data: Any) -> None:
        self.do(controls.fail_refund, self.some("refund", data))

    @precondition(lambda self: self.has("subscription"))
    @rule(data=st.data(), days=st.none() | st.integers(1, 45))
    def cancel(self, data: Any, days: int | None) -> None:
        path = f"subscriptions/{self.some('subscription', data)}"
        if days is None:
            self.call("DELETE", path)
        else:
            end = self.stripe.account.clock.now() + days * DAY
            self.call("POST", path, cancel_at=end, proration_behavior="none")

    @precondition(lambda self: self.has("subscription"))
    @rule(data=st.data(), card=st.sampled_from(["visa", "declined", "3ds", "dispute", "sepa"]))
    def use_card(self, data: Any, card: str) -> None:
        self.do(controls.use_card, self.some("customer", data), card=card)

    @precondition(lambda self: self.has("invoice"))
    @rule(data=st.data(), card=st.sampled_from(["visa", "declined"]))
    def pay_invoice(self, data: Any, card: str) -> None:
        self.do(controls.pay_invoice, self.some("invoice", data), card=card)

    @rule(days=st.integers(0, 45))
    def wait(self, days: int) -> None:
        self.do(controls.advance, days=days)

    @invariant()
    def no_payment_gives_back_more_than_it_took(self) -> None:
        for line in controls.ledger(self.stripe):
            assert line["net"] >= 0, line
            assert line["captured"] > 0

    @invariant()
    def what_was_paid_is_what_was_captured(self) -> None:
        account = self.stripe.account
        captured = sum(line["captured"] for line in controls.ledger(self.stripe))
        invoices = sum(each["amount_paid"] for each in account.where("invoice", status="paid"))
        sessions = account.where("checkout.session", mode="payment", payment_status="paid")
        assert captured == invoices + sum(each["amount_total"] for each in sessions)

    @invariant()
    def a_balance_is_the_sum_of_its_transactions(self) -> None:
        account = self.stripe.account
        for customer in account.all("customer"):
            changes = account.where("customer_balance_transaction", customer=customer["id"])
            assert customer["balance"] == sum(each["amount"] for each in changes)

    @invariant()
    def the_last_event_of_an_object_shows_it_as_it_is(self) -> None:
        account, last = self.stripe.account, {}
        for event in account.all("event"):
            last[event["data"]["object"]["id"]] = event["data"]["object"]
        for kind in ("checkout.session", "payment_intent", "refund", "subscription", "dispute"):
            for thing in account.all(kind):
                told = last.get(thing["id"])
                shown = {key: value for key, value in show(thing).items() if key not in SILENT}
                assert told is None or {key: told[key] for key in shown} == shown


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=times(15), stateful_step_count=25, deadline=None)
