"""Messages to addresses without an account: support's mailbox, and strangers who wrote to it."""

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sqlalchemy as sa

import notifier
from api.models.base import session
from api.models.notification import Notification, State
from api.models.support import SupportRequest
from api.models.user import Contact
from notifier.jobs import deliver
from notifier.sweep import undelivered
from tests.notifier.world import get, in_one_transaction

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")
MAILBOX = "assistance@example.org"
NASTY = "<script>alert(1)</script>\n\nBonjour & à bientôt {{ number }}"


def request(message: str = NASTY) -> int:
    with session() as s:
        made = SupportRequest(email="robin@example.org", message=message)
        s.add(made)
        s.flush()
        return made.id


def written(kind: str, params: dict[str, object], to: str = MAILBOX, language: str = "fr") -> UUID:
    (made,) = in_one_transaction(notifier.notify_address, to, kind, params, "key", language=language)
    return made  # type: ignore[no-any-return]


def test_support_reads_who_wrote_what(sandbox: "Running") -> None:
    number = request()
    key = written("operations", {"request": number})
    deliver(str(key))
    (mail,) = sandbox.messages()
    assert (mail.to, mail.subject) == (MAILBOX, f"Demande d’assistance n° {number} – RDVPriority")
    assert "robin@example.org" in mail.text
    assert NASTY.split("\n", 1)[1] in mail.text
    assert "<script>" not in str(mail.html)
    row = get(Notification, key)
    assert (row.state, row.user_id, row.contact_id, row.address) == (State.SENT, None, None, MAILBOX)


def test_a_stranger_reads_the_number_and_none_of_the_text(sandbox: "Running") -> None:
    key = written("support_received", {"number": 12}, "robin@example.org", "en")
    deliver(str(key))
    (mail,) = sandbox.messages()
    assert mail.subject == "We have received your request no. 12 – RDVPriority"
    assert "Its number is 12." in mail.text


def test_a_request_that_was_deleted_is_not_sent(sandbox: "Running") -> None:
    key = written("operations", {"request": request()})
    with session() as s:
        s.execute(sa.delete(SupportRequest))
    deliver(str(key))
    assert (get(Notification, key).reason, sandbox.messages()) == ("request deleted", [])


def test_a_refused_address_ends_its_own_message_and_touches_no_contact(sandbox: "Running") -> None:
    with session() as s:
        assert s.scalars(sa.select(Contact)).all() == []
    key = written("support_received", {"number": 12}, "not-an-address")
    deliver(str(key))
    assert get(Notification, key).state is State.FAILED


def test_the_same_key_writes_once_and_the_sweep_finds_it(sandbox: "Running") -> None:
    key = written("support_received", {"number": 12})
    assert in_one_transaction(notifier.notify_address, MAILBOX, "support_received", {}, "key") == []
    later = get(Notification, key).next_attempt_at + timedelta(seconds=2)
    assert [each.id for each in undelivered(later)] == [key]
