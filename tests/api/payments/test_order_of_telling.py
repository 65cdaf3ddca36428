"""The order mail leaves before the first alert; while no provider takes it, the account shows the order."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from api.models.user import Channel, Contact
from configs.ground.clock import clock
from configs.ground.job_queues import queue, redis
from notifier.sweep import Sweep
from tests.api.payments.shop import Shop
from tests.api.world import Door
from tests.clients import People, Person
from tests.factories import add_alert, add_contact, change, see

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

ORDERED, OPEN = "commande", "Créneau détecté"


@pytest.fixture
def door() -> Door:
    """Leave the real notifier behind the door."""
    return Door([], [])


@pytest.fixture
def waiting_buyer(person: People, shop: Shop) -> Person:
    """Give a buyer who is reached by mail and Telegram, and waits for a desk that shows an open slot."""
    made = person()
    change(Contact, verified_at=clock())
    add_contact(made.id, Channel.TELEGRAM, "42")
    add_alert(made.id)
    see("2026-11-25T09:00:00+00:00")
    return made


def work_all() -> None:
    """Do the notifier's jobs, and those that follow from them."""
    while jobs := [job for name in redis().smembers("rq:queues") for job in queue(_name(name)).get_jobs()]:
        for job in jobs:
            job.delete()
            job.func(*job.args)


def _name(key: bytes | str) -> str:
    return (key if isinstance(key, str) else key.decode()).removeprefix("rq:queue:")


def test_the_order_mail_is_handed_over_before_the_first_alert(
    shop: Shop, waiting_buyer: Person, sandbox: "Running"
) -> None:
    shop.buy(waiting_buyer.id)
    (order,) = sandbox.messages()  # no other worker has done anything yet
    assert ORDERED in str(order.subject).casefold()
    work_all()
    alerts = sandbox.messages()[1:]
    assert {each.channel for each in alerts} == {"email", "telegram"}
    assert OPEN.casefold() in alerts[-1].text.casefold()


def test_while_no_provider_takes_mails_the_account_shows_the_order_and_alerts_go_out(
    shop: Shop, waiting_buyer: Person, sandbox: "Running"
) -> None:
    sandbox.provider_mode("email", "error_500")
    shop.buy(waiting_buyer.id)
    work_all()
    assert [each.channel for each in sandbox.messages()] == ["telegram"]
    history = waiting_buyer.get("/api/billing/history").json
    (shown,) = history["items"]
    assert (shown["plan"], shown["status"], shown["from"]) == (
        "URGENCE_7J",
        "COMPLETED",
        "2026-11-20T09:00:00Z",
    )
    sandbox.provider_mode("email", "normal")
    shop.clock.shift(timedelta(minutes=6))
    Sweep().turn()
    work_all()
    assert any(ORDERED in str(each.subject).casefold() for each in sandbox.messages("email"))
