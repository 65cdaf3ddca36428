"""The account of the law of `make chaos` reads real withdrawals, documents and deletions."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis

from api.background.jobs import issue_invoices
from api.declarations.records import Author
from api.declarations.service import withdraw_order
from api.deletion.service import delete_account
from api.models.base import engine, session
from api.models.declaration import Declaration, DeclaredBy
from api.payments import jobs
from configs.clock import clock
from configs.plan import PlanName
from deploy.chaos.consumers import Buyer, Consumers, FormerBuyer
from deploy.chaos.inbox import ShopperMail
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.legal_accounts import LegalAccount, LegalGround, read_account
from deploy.chaos.withdrawal_accounts import SUBJECTS
from tests.api.payments.shop import Shop
from tests.api.world import Person

NUMBER = "7KQ2M9XWPA"


@pytest.fixture
def mails() -> list[ShopperMail]:
    return []


@pytest.fixture
def ground(
    shop: Shop,
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
    tmp_path: Path,
    mails: list[ShopperMail],
) -> LegalGround:
    settings_env(INVOICES_URL=tmp_path / "invoices")
    nobody: Any = None
    trade: Any = SimpleNamespace(control=shop.control, consumers=Consumers(nobody))
    inbox: Any = SimpleNamespace(mails=lambda: mails)
    return LegalGround(engine(), redis_server, tmp_path / "logs", trade, inbox, OpeningJournal())


def acknowledge(row: Declaration) -> ShopperMail:
    """Return the receipt, as the inbox shows it."""
    text = f"{row.made_at.astimezone(ZoneInfo('Europe/Paris')):%H:%M:%S}\nCommande n° {row.reference}"
    return ShopperMail("a@shop.example.org", clock(), frozenset({"n1"}), SUBJECTS[0], text)


def test_a_withdrawal_is_right_with_its_receipt_its_money_and_its_documents(
    ground: LegalGround, shop: Shop, buyer: Person, mails: list[ShopperMail]
) -> None:
    order = shop.buy(buyer.id, PlanName.URGENCE_24H, order_number=NUMBER, order_mail_at=clock())
    shop.pass_time(hours=6)
    row = withdraw_order(order, Author(DeclaredBy.ACCOUNT, "fr"))
    ground.shop.consumers.answered.add(row.id)
    assert f"payment {order}: 0 documents" in read_account(ground).differences
    shop.deliver()
    jobs.work_off()
    issue_invoices()
    assert read_account(ground).differences == [f"withdrawal {row.id}: 0 receipts"]
    mails.append(acknowledge(row))
    assert read_account(ground) == LegalAccount(withdrawals=1, cents=375, invoices=1, credit_notes=1)


def test_a_subscription_that_is_over_here_and_runs_at_stripe_is_named(
    ground: LegalGround, shop: Shop, buyer: Person
) -> None:
    shop.buy(buyer.id, PlanName.URGENCE_TOTAL, order_number=NUMBER)
    issue_invoices()
    assert read_account(ground) == LegalAccount(invoices=1)
    with session() as s:
        delete_account(s, buyer.id, understood=True)
    (difference,) = read_account(ground).differences
    assert difference.endswith("over here, active at Stripe")
    jobs.work_off()
    shop.deliver()
    issue_invoices()
    assert read_account(ground) == LegalAccount(invoices=1)


def test_an_account_that_was_deleted_and_is_still_there_is_found(
    ground: LegalGround, shop: Shop, buyer: Person
) -> None:
    shop.buy(buyer.id, client_name="Camille Chaos01")
    who = Buyer("shopper1@shop.example.org", "Camille Chaos01", frozenset({str(buyer.id)}))
    ground.shop.consumers.former.append(FormerBuyer(who, clock()))
    found = {each.partition(":")[0] for each in read_account(ground).differences}
    assert {"table users", "table payments", "table grants", who.email} <= found
