"""What the order mail says: it confirms the contract, so its day must be that of the contract."""

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.notification import Notification
from api.models.payment import Payment
from api.models.user import Contact
from configs.clock import clock
from configs.plan import PlanName
from configs.signed_links import WithdrawOrder, read_token
from notifier.content.messages import render
from notifier.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kind_of
from tests.api.billing.till import Till
from tests.api.world import rows


def read_mail(kind: str, language: str) -> str:
    """Return the text of the newest message of a kind."""
    with session() as s:
        newest = sa.select(Notification).where(Notification.kind == kind).order_by(Notification.id.desc())
        row = s.scalars(newest).first()
        assert row is not None
        contact = s.get_one(Contact, row.contact_id)
        found = kind_of(kind).prepare(s, ClaimedRow.of(row), contact, clock())
    assert isinstance(found, TemplateContext)
    return render(kind, "email", language, found).text


def test_the_day_of_the_order_is_that_of_its_payment(till: Till) -> None:
    till.shop.pass_time(hours=13, minutes=50)  # 23:50 in Paris
    answer = till.order(PlanName.URGENCE_24H)
    till.shop.pass_time(minutes=20)
    till.pay(answer)
    assert "Commande du 21 novembre 2026" in read_mail("order", "fr")


def test_the_program_that_sends_it_needs_no_key_of_logins(
    till: Till, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The background program hands the mail over before any alert, and has LINK_KEY only."""
    till.buy(PlanName.URGENCE_24H)
    monkeypatch.delenv("JWT_SECRET")
    settings_env(LINK_KEY="a key of the background program's", DATA_KEYS="")
    found = re.search(r"/l/withdraw/(\S+)", read_mail("order", "fr"))
    assert found
    (order,) = rows(Payment)
    assert read_token(WithdrawOrder, found[1]).payment == order.id
