"""Stripe's portal by the link in a mail about a renewal that failed."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from api.background import jobs
from api.models.base import session
from api.models.notification import Notification
from api.models.user import Contact, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.content.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kinds
from tests.api.billing.till import Till
from tests.api.payments.shop import list_grants
from tests.factories import change, get


def read_mails() -> list[dict[str, str]]:
    """Return the values of the mails about failed payments, the oldest first."""
    with session() as s:
        found = []
        for row in s.scalars(
            sa.select(Notification).where(Notification.kind == "payment_failed").order_by(Notification.id)
        ):
            context = kinds()[row.kind].prepare(
                s, ClaimedRow.of(row), s.get_one(Contact, row.contact_id), clock()
            )
            assert isinstance(context, TemplateContext)
            found.append(context.values)
        return found


def confirm(*, confirmed: bool = True) -> None:
    change(Contact, verified_at=clock() if confirmed else None)


@pytest.fixture
def refused(till: Till) -> Till:
    """Give a subscriber whose first renewal is refused."""
    till.buy(PlanName.URGENCE_TOTAL)
    customer = get(User, till.person.id).stripe_customer_id
    till.shop.control.use_card(str(customer), "fails_later")
    till.shop.pass_time(days=30, hours=2)
    confirm()
    return till


def test_the_mail_leads_to_a_page_whose_button_opens_the_portal(refused: Till) -> None:
    (mail,) = read_mails()
    link, client = mail["signed_url"].removeprefix("http://localhost:4000"), refused.shop.client
    asked = len(refused.shop.control.requests("/v1/billing_portal"))
    assert 'method="post"' in client.get(link).text
    assert len(refused.shop.control.requests("/v1/billing_portal")) == asked  # mail scanners open links
    answer = client.post(link)
    where = answer.headers["Refresh"].removeprefix("0; url=")
    assert answer.status_code == 200
    assert where.startswith(refused.shop.control.url)
    assert where in answer.text


def test_the_mail_says_until_when_the_plan_goes_on_and_comes_each_day_of_grace(refused: Till) -> None:
    _, grace = list_grants(refused.person.id)
    assert grace.ends_at - grace.starts_at == timedelta(days=3)
    told = [jobs.remind_of_failed_renewals()["mails"]]
    for _ in range(4):
        refused.shop.clock.shift(timedelta(days=1))
        told.append(jobs.remind_of_failed_renewals()["mails"])
    assert told == [0, 1, 1, 0, 0]  # the first day's came with the refusal
    assert len(read_mails()) == 3
    assert read_mails()[0]["until"] == ""  # the days are over by now


def test_an_order_that_failed_leads_to_the_account(till: Till) -> None:
    till.fail(PlanName.URGENCE_24H)
    confirm()
    (mail,) = read_mails()
    assert (mail["signed_url"], mail["url"]) == ("", "https://front.example")


def test_an_address_that_is_not_confirmed_gets_the_account_only(refused: Till) -> None:
    confirm(confirmed=False)
    assert [each["signed_url"] for each in read_mails()] == [""]


def test_without_stripe_the_page_says_so(refused: Till) -> None:
    (mail,) = read_mails()
    refused.shop.control.mode("error_500", path="/v1/billing_portal")
    answer = refused.shop.client.post(mail["signed_url"].removeprefix("http://localhost:4000"))
    assert answer.status_code == 503
    assert "Patientez 1 minute, puis réessayez" in answer.text


def test_a_link_to_an_address_that_was_left_opens_nothing(refused: Till) -> None:
    (mail,) = read_mails()
    change(Contact, address="new@example.org")
    answer = refused.shop.client.post(mail["signed_url"].removeprefix("http://localhost:4000"))
    assert "n’est plus valable" in answer.text
    assert "Refresh" not in answer.headers
