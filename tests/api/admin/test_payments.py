"""Payments, refunds and Stripe's events, as operators see and repair them."""

from datetime import timedelta
from typing import Any

from api.models.base import session
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.stripe_event import StripeEvent
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.admin.conftest import audit
from tests.api.payments.shop import Shop, get_payment, list_grants, list_refunds
from tests.clients import Operator, Person, problem
from tests.factories import add_difference, add_payment, add_stripe_event


def test_a_part_goes_back_and_the_plan_stays(shop: Shop, camille: Person, admin: Operator) -> None:
    payment_id = shop.buy(camille.id)
    refund = admin.do("POST", f"/payments/{payment_id}/refunds", amount=500, note="two days of trouble")
    shop.deliver()
    assert (refund["amount"], refund["reason"], refund["note"]) == (500, "operator", "two days of trouble")
    assert (get_payment(payment_id).refunded_cents, get_payment(payment_id).status.value) == (
        500,
        "COMPLETED",
    )
    assert list_grants(camille.id)[0].ends_at > clock()
    (row,) = audit(action="payment.refund")
    assert row.changes == {"refundId": refund["id"], "amount": 500}
    (shown,) = admin.get(f"/payments/{payment_id}")["refunds"]
    assert (shown["note"], shown["error"]) == ("two days of trouble", None)


def test_without_an_amount_all_that_is_left_goes_back_and_the_plan_ends(
    shop: Shop, camille: Person, admin: Operator
) -> None:
    payment_id = shop.buy(camille.id)
    admin.do("POST", f"/payments/{payment_id}/refunds", amount=500, note="a part")
    admin.do("POST", f"/payments/{payment_id}/refunds", note="the rest")
    shop.deliver()
    assert [each.amount_cents for each in list_refunds(payment_id)] == [500, 999]
    assert get_payment(payment_id).status.value == "REFUNDED"
    assert all(each.ends_at <= clock() for each in list_grants(camille.id))
    details = admin.get(f"/payments/{payment_id}")
    assert [each["kind"] for each in details["events"]] == ["paid", "refunded"]
    assert {"payment_intent", "checkout.session"} <= set(details["stripeIds"])
    again = admin.ask("POST", f"/payments/{payment_id}/refunds", json={"note": "once more"})
    assert problem(again) == (409, "refund-refused")


def test_a_double_click_gives_the_same_part_once(shop: Shop, camille: Person, admin: Operator) -> None:
    payment_id = shop.buy(camille.id)
    admin.do("POST", f"/payments/{payment_id}/refunds", amount=500, note="two days of trouble")
    again = admin.ask(
        "POST", f"/payments/{payment_id}/refunds", json={"amount": 500, "note": "two days of trouble"}
    )
    assert problem(again) == (409, "refund-repeated")
    admin.do("POST", f"/payments/{payment_id}/refunds", amount=500, note="and the third day")
    assert [each.amount_cents for each in list_refunds(payment_id)] == [500, 500]


def test_more_than_was_paid_and_what_was_not_paid_are_refused(
    shop: Shop, camille: Person, admin: Operator
) -> None:
    paid, unpaid = shop.buy(camille.id), shop.order(camille.id).payment_id
    wishes: list[tuple[Any, dict[str, Any]]] = [
        (paid, {"amount": 1500, "note": "x"}),
        (unpaid, {"note": "x"}),
    ]
    for payment_id, body in wishes:
        answer = admin.ask("POST", f"/payments/{payment_id}/refunds", json=body)
        assert problem(answer) == (409, "refund-refused")
    rubbish: list[dict[str, Any]] = [{"amount": 0, "note": "x"}, {"amount": "5", "note": "x"}, {"amount": 5}]
    for each in rubbish:
        assert admin.ask("POST", f"/payments/{paid}/refunds", json=each).status_code == 422
    assert list_refunds(paid) == []


def test_payments_are_found_by_user_status_and_stripe_s_ids(
    shop: Shop, camille: Person, admin: Operator, support: Operator
) -> None:
    add_payment(admin.id, PlanName.URGENCE_24H)
    order = shop.order(camille.id)
    (found,) = support.get("/payments", userId=str(camille.id))["items"]
    assert (found["id"], found["userId"], found["status"]) == (
        str(order.payment_id),
        str(camille.id),
        "PENDING",
    )
    assert support.get("/payments", stripeId=order.session_id)["items"] == [found]
    assert support.get("/payments", stripeId="cs_nobody")["items"] == []
    assert [each["plan"] for each in support.get("/payments", status="COMPLETED")["items"]] == ["URGENCE_24H"]


def test_an_event_is_applied_again(shop: Shop, camille: Person, admin: Operator) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id)
    shop.control.mode("error_500", path="/v1/")
    shop.deliver()
    assert list_grants(camille.id) == []
    shop.control.mode("normal")
    shop.clock.shift(60)
    waiting = admin.get("/stripe-events", open="true")["items"]
    assert waiting
    assert all(each["error"] for each in waiting)
    for each in waiting:
        admin.do("POST", f"/stripe-events/{each['id']}/replay")
    shop.work()
    assert len(list_grants(camille.id)) == 1
    assert admin.get("/stripe-events", open="true")["items"] == []


def test_an_event_without_an_object_or_that_is_not_there_is_no_event(admin: Operator) -> None:
    add_stripe_event("evt_nothing", object_id=None)
    for name in ("evt_nothing", "evt_never"):
        assert admin.ask("POST", f"/stripe-events/{name}/replay").status_code == 404
    for name in ("%00", "x" * 300):
        assert admin.ask("POST", f"/stripe-events/{name}/replay").status_code == 422
    add_stripe_event("evt_other", type="account.updated")
    assert problem(admin.ask("POST", "/stripe-events/evt_other/replay")) == (409, "unknown-type")


def test_events_have_pages(admin: Operator) -> None:
    for number in range(5):  # all at the same instant or later
        add_stripe_event(f"evt_{number}")
    pages: list[list[str]] = []
    before: str | None = None
    while before or not pages:
        page = admin.get("/stripe-events", limit=2, **({"before": before} if before else {}))
        pages.append([each["id"] for each in page["items"]])
        before = page["next"]
    assert sorted(each for page in pages for each in page) == [f"evt_{number}" for number in range(5)]
    assert [len(each) for each in pages] == [2, 2, 1]
    assert admin.get("/stripe-events", type="nothing")["items"] == []
    with session() as s:
        assert s.get(StripeEvent, "evt_0")


def test_differences_show_both_sides(admin: Operator) -> None:
    add_difference()
    (found,) = admin.get("/payment-differences")["items"]
    assert (found["ours"], found["stripe"], found["repaired"]) == ({"amount": 500}, {"amount": 499}, False)


def test_declarations_without_an_order_are_listed_and_support_sees_no_whole_address(
    admin: Operator, support: Operator
) -> None:
    columns = {"kind": DeclarationKind.WITHDRAWAL, "made_by": DeclaredBy.FORM, "reference": "7KQ2M9XWPA"}
    with session() as s:
        for number, because in enumerate(("no_order", "no_order", "period_over", "no_order")):
            at, email = clock() + timedelta(seconds=number), f"camille{number}@example.org"
            s.add(Declaration(made_at=at, email=email, refused_because=because, **columns))
    page = support.get("/declarations", open="true", limit=2)
    assert [each["email"] for each in page["items"]] == ["c…@example.org"] * 2
    (last,) = support.get("/declarations", open="true", before=page["next"])["items"]
    assert (last["reference"], last["refusedBecause"]) == ("7KQ2M9XWPA", "no_order")
    shown = [each["email"] for each in admin.get("/declarations")["items"]]
    assert shown == [f"camille{number}@example.org" for number in (3, 2, 1, 0)]
