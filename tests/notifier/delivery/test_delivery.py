"""Delivered messages: their text, their receipt, and that each leaves once."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from api.models.alert import Alert
from api.models.base import session
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.contact_addresses import digest
from configs.ground.signed_links import StopAlerts, VerifyAddress, read_token
from notifier.jobs import deliver
from tests.notifier.delivery.slot_alerts import after, verification, waiting
from tests.notifier.world import ACCEPTED, ADDRESSES, MORNING, get, slots

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)


@pytest.mark.parametrize("channel", ALL)
def test_an_accepted_message_is_sent_with_its_receipt(channel: Channel, sandbox: "Running") -> None:
    key = waiting(channel)
    deliver(str(key))
    (message,) = sandbox.messages()
    row = get(Notification, key)
    assert (row.state, row.attempts, row.reason) == (ACCEPTED[channel], 1, None)
    assert (row.provider_id, row.lease_token, row.lease_until) == (message.provider_id, None, None)
    assert message.to == ADDRESSES[channel]
    assert row.accepted_at >= row.matched_at


def test_a_slot_alert_says_what_is_open_in_the_desks_own_time(sandbox: "Running") -> None:
    seen_at = datetime.now(UTC).replace(microsecond=0)
    opened = slots([MORNING + timedelta(days=1), MORNING], seen_at=seen_at)
    deliver(str(waiting(slot_ids=opened, seen_at=seen_at)))
    (mail,) = sandbox.messages("email")
    assert mail.subject == "Créneau détecté – Essonne (91)"
    assert "2 créneaux ouverts" in mail.text
    assert "jeudi 26 novembre 2026 à\u00a009:30" in mail.text
    assert "Naturalisation <b>&" in mail.text
    assert mail.draft.seen_at == seen_at


def test_the_delay_is_told_and_no_address_is_logged() -> None:
    key = waiting()
    with capture_logs() as logs:
        deliver(str(key))
    (said,) = [each for each in logs if each["event"] == "sent"]
    assert said["milliseconds"] >= 0
    assert "example.org" not in str(logs)


def test_the_link_to_stop_is_signed_for_the_alert(sandbox: "Running") -> None:
    deliver(str(waiting()))
    text = sandbox.messages("email")[0].text
    token = "stop." + text.split("/l/stop.")[1].split()[0]
    with session() as s:
        assert read_token(StopAlerts, token).alerts == (s.scalar(sa.select(Alert.id)),)


def test_a_verification_goes_to_an_address_that_is_not_verified(sandbox: "Running") -> None:
    key = verification()
    deliver(str(key))
    (mail,) = sandbox.messages("email")
    token = mail.text.split("/l/")[1].split()[0]
    contact_id = get(Notification, key).contact_id
    assert contact_id
    assert read_token(VerifyAddress, token) == VerifyAddress(contact_id, digest(ADDRESSES[Channel.EMAIL]))
    assert after(key) == (State.SENT, None)
