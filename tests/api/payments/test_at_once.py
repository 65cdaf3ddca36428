"""Two things at once about one user's money: whichever comes first, both sides agree in the end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier

import pytest

from api.background import jobs as background
from api.billing.schemas import Cancellation
from api.declarations.records import Author
from api.declarations.service import cancel_own
from api.models.declaration import DeclaredBy
from api.models.payment import PaymentStatus
from api.models.stripe_command import CommandKind
from api.payments.errors import RefundRefused
from api.payments.executors import carry_out
from api.payments.jobs import apply_event
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.sandbox.control_client import Delivery
from tests.api.payments.shop import Shop, get_payment, list_grants, send_commands
from tests.api.payments.test_overtaken import list_running, upgrade
from tests.api.payments.test_refunds import plan
from tests.clients import Person

DAY, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_TOTAL


def do_at_once(*acts: Callable[[], None]) -> None:
    ready = Barrier(len(acts))

    def act(number: int) -> None:
        ready.wait()
        acts[number]()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(act, range(len(acts))))


def post_all(shop: Shop) -> list[Delivery]:
    """Post what Stripe sent, and leave its jobs undone."""
    found = shop.control.take_deliveries()
    for each in found:
        assert shop.post(each.body, each.headers) == 200
    return found


def apply_each(deliveries: list[Delivery]) -> None:
    for each in deliveries:
        apply_event(each.id)


def end_quietly(shop: Shop) -> None:
    """Do what is left to do."""
    shop.work_off()
    send_commands()
    shop.deliver()
    shop.work_off()


def test_an_upgrade_is_paid_while_the_cheaper_plan_is_refunded(shop: Shop, camille: Person) -> None:
    cheap = shop.buy(camille.id, DAY)
    order = upgrade(shop, camille.id, cheap)
    shop.control.pay(order.session_id)
    deliveries = post_all(shop)

    def refund() -> None:
        with suppress(RefundRefused):  # the upgrade was quicker: its money is in the larger plan
            carry_out(CommandKind.REFUND, plan(cheap, 499))

    do_at_once(refund, lambda: apply_each(deliveries))
    end_quietly(shop)
    nets = [each["net"] for each in shop.control.ledger()]
    if get_payment(order.payment_id).status is PaymentStatus.COMPLETED:
        assert (nets, list_running(camille.id)) == ([499, 1000], [(order.payment_id, "payment")])
    else:
        assert (nets, list_running(camille.id)) == ([0, 0], [])


def test_two_upgrades_that_credit_the_same_day_are_paid_at_once(shop: Shop, camille: Person) -> None:
    cheap = shop.buy(camille.id, DAY)
    orders = [upgrade(shop, camille.id, cheap, name) for name in (PlanName.URGENCE_7J, TOTAL)]
    for order in orders:
        shop.control.pay(order.session_id)
    deliveries = post_all(shop)
    do_at_once(*(lambda each=each: apply_event(each.id) for each in deliveries))
    end_quietly(shop)
    states = {get_payment(each.payment_id).status for each in orders}
    assert states == {PaymentStatus.COMPLETED, PaymentStatus.REFUNDED}
    assert len(list_running(camille.id)) == 1
    assert min(each["net"] for each in shop.control.ledger()) == 0


@pytest.mark.parametrize("days", [None, 4])
def test_a_subscription_is_cancelled_while_it_renews(shop: Shop, camille: Person, days: int | None) -> None:
    shop.buy(camille.id, TOTAL)
    shop.clock.shift(timedelta(days=30, hours=2))
    shop.control.advance()
    deliveries = post_all(shop)
    day = (clock() + timedelta(days=days or 0)).date().isoformat()
    wish = Cancellation.model_validate({"on": day} if days else {"periodEnd": True})

    def cancel() -> None:
        cancel_own(camille.id, wish, Author(DeclaredBy.ACCOUNT, "fr"))

    do_at_once(cancel, lambda: apply_each(deliveries))
    end_quietly(shop)
    shop.clock.shift(timedelta(days=(days or 0) + 1))
    background.apply_declarations()
    end_quietly(shop)
    shop.pass_time(days=40)
    _, renewal = shop.control.ledger()  # and no third one
    paid = [
        each for each in list_grants(camille.id)[1:] if each.ends_at - each.starts_at > timedelta(seconds=1)
    ]
    bought, whole = sum((each.ends_at - each.starts_at).total_seconds() for each in paid), 31 * 86_400
    assert abs(renewal["net"] - 2999 * bought / whole) <= 1
    assert (shop.control.objects("subscription")[0]["status"]) == "canceled"
