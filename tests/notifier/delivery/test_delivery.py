import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import time_machine
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

import notifier
from api.models.alert import Alert, ClosedBecause
from api.models.base import engine, session
from api.models.notification import Notification, Priority, State
from api.models.slot import SlotRow
from api.models.user import Channel, Contact, ContactState, User
from configs.clock import clock
from configs.contact_addresses import digest
from notifier import providers
from notifier.channel_base import Acceptance, OutgoingMessage
from notifier.delivery import delivery
from notifier.delivery.retry_policy import ATTEMPTS
from notifier.errors import NotAttempted
from notifier.jobs import deliver
from notifier.message_kind_base import Seen
from notifier.message_kinds.slot_detected import SlotDetected
from notifier.provider_base import OneCallProvider
from notifier.sweep import undelivered
from tests.notifier.world import (
    ACCEPTED,
    ADDRESSES,
    MORNING,
    alert,
    change,
    confirm,
    detection,
    get,
    gone,
    in_one_transaction,
    matched,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
NAMES = [each.value for each in ALL]


def waiting(channel: Channel = Channel.EMAIL, **fields: Any) -> UUID:
    """Write one slot alert that waits; return its id."""
    alert(person(channels=(channel,)))
    (made,) = matched(detection(**fields))
    return made


def verification() -> UUID:
    who = person(verified=False, enabled=False)
    (made,) = in_one_transaction(notifier.create_notifications, who.id, "verify_email", {}, "key")
    return made  # type: ignore[no-any-return]


def after(key: UUID) -> tuple[State, str | None]:
    row = get(Notification, key)
    return row.state, row.reason


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


def test_a_slot_taken_before_sending_is_not_counted(sandbox: "Running") -> None:
    one, two = slots([MORNING, MORNING + timedelta(hours=1)])
    key = waiting(slot_ids=[one, two])
    gone([one])
    deliver(str(key))
    assert "1 créneau ouvert\n" in sandbox.messages("email")[0].text


def test_the_link_to_stop_is_signed_for_the_alert(sandbox: "Running") -> None:
    from configs.signing import unsign

    deliver(str(waiting()))
    text = sandbox.messages("email")[0].text
    token = text.split("/l/stop/")[1].split()[0]
    with session() as s:
        assert unsign("stop-alert", token, 60) == str(s.scalar(sa.select(Alert.id)))


def test_a_verification_goes_to_an_address_that_is_not_verified(sandbox: "Running") -> None:
    from configs.signing import unsign

    key = verification()
    deliver(str(key))
    (mail,) = sandbox.messages("email")
    token = mail.text.split("/l/verify/")[1].split()[0]
    assert unsign("verify-email", token, 60) == {
        "contact": str(get(Notification, key).contact_id),
        "address": digest(ADDRESSES[Channel.EMAIL]),
    }
    assert after(key) == (State.SENT, None)


@pytest.mark.parametrize("name", NAMES)
def test_a_temporary_failure_waits_and_then_arrives(
    name: str, sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = waiting(Channel(name))
    sandbox.provider_mode(name, "error_500", count=1)
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.next_attempt_at, row.next_nudge_at) == (
        State.PENDING, clock() + timedelta(seconds=5), clock() + timedelta(seconds=5),
    )  # fmt: skip
    deliver(str(key))
    assert (sandbox.messages(), get(Notification, key).attempts) == ([], 1)
    frozen.shift(timedelta(seconds=5))
    deliver(str(key))
    assert (after(key), get(Notification, key).attempts) == ((ACCEPTED[Channel(name)], None), 2)


@pytest.mark.parametrize("name", NAMES)
def test_retry_after_is_obeyed(name: str, sandbox: "Running", frozen: time_machine.Traveller) -> None:
    key = waiting(Channel(name))
    sandbox.provider_mode(name, "rate_limited", seconds=40)
    deliver(str(key))
    assert get(Notification, key).next_attempt_at == clock() + timedelta(seconds=40)


@pytest.mark.parametrize(
    ("name", "state"),
    [("email", ContactState.BOUNCED), ("sms", ContactState.BOUNCED), ("telegram", ContactState.BLOCKED)],
)
def test_a_permanent_failure_ends_it_and_marks_the_contact(
    name: str, state: ContactState, sandbox: "Running"
) -> None:
    key = waiting(Channel(name))
    change(Contact, get(Notification, key).contact_id, consented_at=clock())
    sandbox.provider_mode(name, "reject_address", address=ADDRESSES[Channel(name)])
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.failed_at is not None) == (State.FAILED, True)
    contact = get(Contact, row.contact_id)
    assert contact.state is state
    assert (contact.consented_at is None) is (state is ContactState.BLOCKED)  # which withdraws the consent


def test_an_address_that_was_changed_meanwhile_is_not_marked(
    sandbox: "Running", monkeypatch: pytest.MonkeyPatch
) -> None:
    key = waiting()
    (message,) = delivery.claim([key])
    sandbox.provider_mode("email", "reject_address", address=message.address)
    (sent,) = delivery.send([message])
    change(Contact, message.first.contact_id, address="new@example.org")
    assert delivery.record(sent)
    assert get(Contact, message.first.contact_id).state is ContactState.OK


@pytest.mark.parametrize(("name", "wait"), [("email", 15), ("sms", 600), ("telegram", 15)])
def test_a_yes_that_was_not_heard_is_sent_again_after_a_wait(
    name: str,
    wait: int,
    sandbox: "Running",
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.2")
    opened = slots()
    key = waiting(Channel(name), slot_ids=opened)
    sandbox.provider_mode(name, "yes_without_answer", count=1)
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.next_attempt_at, row.unknown_attempts) == (
        State.PENDING, clock() + timedelta(seconds=wait), 1,
    )  # fmt: skip
    assert str(row.reason).endswith("did not answer: ReadTimeout")
    settings_env(PROVIDER_TIMEOUT_SECONDS="10")
    frozen.shift(wait)
    confirm(opened)
    deliver(str(key))
    assert after(key) == (ACCEPTED[Channel(name)], None)
    assert len(sandbox.messages(name)) == 2


def test_a_message_that_no_provider_took_for_a_day_is_a_dead_letter(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = verification()
    sandbox.provider_mode("email", "error_500")
    for wait in (0, 23 * 3600, 3600, 300, 300):
        frozen.shift(wait)
        assert get(Notification, key).state is State.PENDING
        deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.reason) == (State.FAILED, "attempts used up: sendgrid answered 500")


@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_is_refused_or_missing_uses_no_attempt(
    name: str, sandbox: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch,
    settings_env: Callable[..., None],
) -> None:  # fmt: skip
    opened = slots()
    key = waiting(Channel(name), slot_ids=opened)
    sandbox.provider_mode(name, "unauthorized", count=7)
    for _ in range(7):
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert "answered 401: check " in str(row.reason)
        frozen.shift(46)
        confirm(opened)
    secret = {"email": "SENDGRID_API_KEY", "sms": "TWILIO_AUTH_TOKEN", "telegram": "TELEGRAM_BOT_TOKEN"}[name]
    with monkeypatch.context() as without:
        without.delenv(secret)
        settings_env()
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert f"{secret} is not set" in str(row.reason)
    settings_env()
    frozen.shift(46)
    deliver(str(key))
    assert after(key) == (ACCEPTED[Channel(name)], None)


def test_what_is_no_slot_alert_waits_a_day_for_our_configuration(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key, alerted = verification(), waiting(slot_ids=(opened := slots()))
    sandbox.provider_mode("email", "unauthorized")
    for wait in (0, 86400, 300, 300):
        frozen.shift(wait)
        confirm(opened)
        assert get(Notification, key).state is State.PENDING
        deliver(str(key), str(alerted))
    assert after(alerted)[0] is State.PENDING
    state, reason = after(key)
    assert state is State.FAILED
    assert str(reason).startswith("attempts used up: sendgrid answered 401")


@pytest.mark.rule("3.5")
def test_a_lease_that_ran_out_is_taken_over_and_the_late_result_is_nobodys(
    frozen: time_machine.Traveller,
) -> None:
    key = waiting()
    (dead,) = delivery.claim([key])
    assert delivery.claim([key]) == []
    frozen.shift(timedelta(seconds=31))
    (heir,) = delivery.claim([key])
    assert heir.first.attempts == 2
    with capture_logs() as logs:
        assert not any(delivery.record(sent) for sent in delivery.send([dead]))
    assert logs[-1]["event"].startswith("lease lost")
    assert get(Notification, key).lease_token == heir.token
    assert all(delivery.record(sent) for sent in delivery.send([heir]))
    assert after(key) == (State.SENT, None)


@pytest.mark.rule("6.1")
def test_what_was_put_back_untried_costs_no_attempt() -> None:
    key = waiting()
    (message,) = delivery.claim([key])
    assert delivery.record(delivery.Sent([message], NotAttempted("the lease was too short")))
    row = get(Notification, key)
    assert (row.state, row.attempts, row.next_attempt_at <= clock()) == (State.PENDING, 0, True)


def test_workers_that_die_each_time_get_a_message_rarely(frozen: time_machine.Traveller) -> None:
    key = waiting(slot_ids=(opened := slots()))
    began, claimed = clock(), []
    for second in (*range(0, 218, 31), 1984, 2015, 2046, 3844, 3875):
        frozen.move_to(began + timedelta(seconds=second))
        confirm(opened)
        if delivery.claim([key]):
            claimed.append(second)
    assert claimed == [0, 31, 62, 93, 124, 155, 2015, 3875]
    assert after(key) == (State.SENDING, "unknown: no worker lived to record an answer")


def test_workers_that_die_each_time_do_not_send_an_sms_for_ever(frozen: time_machine.Traveller) -> None:
    key = waiting(Channel.SMS, slot_ids=(opened := slots()))
    for wait in (600, 1800, 1800, 1800):
        assert delivery.claim([key])
        frozen.shift(timedelta(seconds=wait - 1))
        confirm(opened)
        assert delivery.claim([key]) == []
        assert undelivered(clock()) == []
        frozen.shift(timedelta(seconds=1))
        assert [each.id for each in undelivered(clock())] == [key]
    assert delivery.claim([key]) == []
    assert after(key) == (State.FAILED, "unknown: attempts used up, no worker lived to record an answer")


def test_workers_that_die_each_time_do_not_send_another_kind_for_ever(frozen: time_machine.Traveller) -> None:
    key = verification()
    for _ in range(ATTEMPTS[get(Notification, key).priority]):
        assert delivery.claim([key])
        frozen.shift(timedelta(seconds=31))
    assert delivery.claim([key]) == []
    assert after(key) == (State.FAILED, "unknown: attempts used up, no worker lived to record an answer")


@pytest.mark.rule("6.4")
def test_a_kind_that_this_worker_does_not_know_waits_for_a_newer_one_and_keeps_no_other(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    bad, good = verification(), waiting()
    change(Notification, bad, kind="kind_of_a_newer_release")
    for _ in range(6):
        deliver(str(bad), str(good))
        row = get(Notification, bad)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        assert row.reason == "unknown kind kind_of_a_newer_release: waits for a newer worker"
        frozen.shift(46)
    assert after(good) == (State.SENT, None)
    change(Notification, bad, kind="verify_email")
    deliver(str(bad))
    assert after(bad) == (State.SENT, None)


@pytest.mark.rule("6.4")
@pytest.mark.parametrize("broken", ["python", "sql"])
def test_a_row_that_cannot_be_read_keeps_no_other_of_its_kind(
    broken: str, sandbox: "Running", frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert(person()), alert(person(addresses={Channel.EMAIL: "b@example.org"}))
    bad, good = matched(detection(opened := slots()))
    prepare_all = SlotDetected.prepare_all

    def prepare(kind: SlotDetected, s: Session, rows: Seen, now: datetime) -> Any:
        if any(row.id == bad for row, _ in rows):
            s.execute(sa.text("SELECT 1/0")) if broken == "sql" else 1 / 0
        return prepare_all(kind, s, rows, now)

    monkeypatch.setattr(SlotDetected, "prepare_all", prepare)
    for wait in (60, 86400, 300, 300, 300, 300, 300):
        deliver(str(bad), str(good))
        frozen.shift(wait)
        confirm(opened)
    assert after(good) == (State.SENT, None)
    state, reason = after(bad)
    assert state is State.FAILED
    assert str(reason).startswith("attempts used up: could not be read: ")
    assert len(sandbox.messages()) == 1


def test_malformed_params_keep_no_other_row(sandbox: "Running") -> None:
    alert(person()), alert(person(addresses={Channel.EMAIL: "b@example.org"}))
    bad, good = matched(detection())
    change(Notification, bad, params=["no object"])
    deliver(str(bad), str(good))
    assert after(good) == (State.SENT, None)
    assert sandbox.messages()


def test_of_many_workers_one_claims(sandbox: "Running") -> None:
    key = waiting()
    start, claimed = threading.Barrier(4), []

    def work() -> None:
        start.wait()
        claimed.extend(delivery.claim([key]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(claimed) == 1


def test_delivering_twice_sends_once(sandbox: "Running") -> None:
    key = waiting()
    deliver(str(key))
    deliver(str(key))
    assert len(sandbox.messages()) == 1


def test_what_is_not_there_is_not_delivered(sandbox: "Running") -> None:
    deliver(str(uuid4()))
    assert sandbox.messages() == []


def _taken(_: Notification) -> None:
    with session() as s:
        gone(list(s.scalars(sa.select(SlotRow.id))))


def _unconfirmed(_: Notification) -> None:
    with session() as s:
        long_ago = clock() - timedelta(minutes=16)
        s.execute(sa.update(SlotRow).values(opened_at=long_ago, seen_at=long_ago))


def _stopped(_: Notification) -> None:
    with session() as s:
        s.execute(sa.update(Alert).values(closed_at=clock(), closed_because=ClosedBecause.STOPPED))


def _paused(_: Notification) -> None:
    with session() as s:
        s.execute(sa.update(Alert).values(enabled=False))


def _deleted(_: Notification) -> None:
    with session() as s:
        s.execute(sa.delete(Alert))


def _off(row: Notification) -> None:
    change(Contact, row.contact_id, enabled=False)


def _unverified(row: Notification) -> None:
    change(Contact, row.contact_id, verified_at=None)


def _unsubscribed(row: Notification) -> None:
    change(Contact, row.contact_id, state=ContactState.UNSUBSCRIBED)


def _no_contact(row: Notification) -> None:
    with session() as s:
        s.execute(sa.delete(Contact).where(Contact.id == row.contact_id))


@pytest.mark.parametrize(
    ("happened", "state", "reason"),
    [
        (_taken, State.EXPIRED, "slots gone"),
        (_stopped, State.SKIPPED, "alert stopped"),
        (_paused, State.SKIPPED, "alert stopped"),
        (_deleted, State.SKIPPED, "alert deleted"),
        (_off, State.SKIPPED, "switched off"),
        (_unverified, State.SKIPPED, "address not verified"),
        (_unsubscribed, State.SKIPPED, "address unsubscribed"),
        (_no_contact, State.SKIPPED, "no address"),
    ],
)
def test_what_changed_before_sending_is_respected(
    happened: Callable[[Notification], None], state: State, reason: str, sandbox: "Running"
) -> None:
    key = waiting()
    happened(get(Notification, key))
    deliver(str(key))
    assert after(key) == (state, reason)
    assert get(Notification, key).failed_at is not None
    assert sandbox.messages() == []


@pytest.mark.rule("3.4")
def test_an_alert_waits_for_its_slot_to_be_confirmed_again(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = waiting()
    _unconfirmed(get(Notification, key))
    for _ in range(20):
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.reason) == (State.PENDING, "slots not confirmed lately")
        assert (row.attempts, row.failed_at) == (0, None)
        frozen.shift(46)
    assert sandbox.messages() == []
    with session() as s:
        s.execute(sa.update(SlotRow).values(seen_at=clock()))
    deliver(str(key))
    assert (after(key), len(sandbox.messages())) == ((State.SENT, None), 1)


@pytest.mark.rule("3.4")
def test_an_alert_ends_with_its_slot_that_was_not_confirmed(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    key = waiting(slot_ids=(opened := slots()))
    _unconfirmed(get(Notification, key))
    deliver(str(key))
    gone(opened)
    frozen.shift(46)
    deliver(str(key))
    assert (after(key), sandbox.messages()) == ((State.EXPIRED, "slots gone"), [])


def test_an_alert_waits_as_long_as_its_slot_is_confirmed(
    sandbox: "Running", frozen: time_machine.Traveller
) -> None:
    opened = slots()
    key = waiting(slot_ids=opened)
    frozen.shift(timedelta(hours=2))
    confirm(opened)
    deliver(str(key))
    assert after(key) == (State.SENT, None)


def test_a_user_who_is_gone_takes_the_message_along(sandbox: "Running") -> None:
    key = waiting()
    with session() as s:
        s.execute(sa.delete(User))
    deliver(str(key))
    assert sandbox.messages() == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"verified_at": datetime(2026, 1, 1, tzinfo=UTC)}, "already verified"),
        ({"state": ContactState.BOUNCED}, "address bounced"),
    ],
)
def test_a_verification_that_is_not_needed_any_more_is_skipped(
    values: dict[str, Any], reason: str, sandbox: "Running"
) -> None:
    key = verification()
    change(Contact, get(Notification, key).contact_id, **values)
    deliver(str(key))
    assert after(key) == (State.SKIPPED, reason)


class Breaking(OneCallProvider):
    """A provider that asks for something while it sends."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def warm_up(self) -> None:
        self.act()

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        self.act()
        return Acceptance("test", "1")


def use(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    monkeypatch.setitem(providers.providers(), "sendgrid", Breaking(act))


@pytest.mark.rule("3.6")
def test_no_connection_is_held_while_a_provider_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    use(monkeypatch, lambda: held.append(engine().pool.checkedout()))  # type: ignore[attr-defined]
    deliver(str(waiting()))
    assert held == [0]


def test_whatever_a_provider_raises_is_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda: 1 / 0)
    key = waiting()
    with capture_logs() as logs:
        deliver(str(key))
    assert after(key) == (State.PENDING, "unknown: ZeroDivisionError")
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["provider failed"]


def test_a_text_that_cannot_be_made_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch, sandbox: "Running"
) -> None:
    monkeypatch.setattr(delivery, "render", lambda *_: 1 / 0)
    key = waiting()
    deliver(str(key))
    assert after(key) == (State.PENDING, "text could not be made: ZeroDivisionError")
    assert sandbox.messages() == []


def test_a_yes_is_not_lost_to_a_database_that_is_away_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    key = waiting()
    (sent,) = delivery.send(delivery.claim([key]))
    close, failures = delivery.close, iter([True, True])

    def shaky(*arguments: Any) -> set[UUID]:
        if next(failures, False):
            raise sa.exc.OperationalError("UPDATE", {}, ConnectionError())
        return close(*arguments)

    monkeypatch.setattr(delivery, "close", shaky)
    monkeypatch.setattr("notifier.delivery.durable_write.time.sleep", lambda _: None)
    assert delivery.record(sent)
    assert after(key) == (State.SENT, None)


@pytest.mark.rule("3.5")
def test_a_yes_outlasts_a_database_that_is_away_for_longer_than_lease_and_job(
    monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller
) -> None:
    key = waiting()
    (sent,) = delivery.send(delivery.claim([key]))
    close = delivery.close
    failures = iter([sa.exc.OperationalError("UPDATE", {}, ConnectionError()), JobTimeoutException()] * 60)

    def away(*arguments: Any) -> set[UUID]:
        if failure := next(failures, None):
            raise failure
        return close(*arguments)

    def sleep(_seconds: float) -> None:
        frozen.shift(1)
        raise JobTimeoutException

    monkeypatch.setattr(delivery, "close", away)
    monkeypatch.setattr("notifier.delivery.durable_write.time.sleep", sleep)
    with capture_logs() as logs:
        assert delivery.record(sent)
    assert after(key) == (State.SENT, None)
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == [
        "database away: a provider's answer waits to be written"
    ]


@pytest.mark.parametrize("priority", Priority)
def test_every_priority_is_delivered(priority: Priority, sandbox: "Running") -> None:
    key = verification()
    change(Notification, key, priority=priority)
    deliver(str(key))
    assert after(key) == (State.SENT, None)
