"""A message's life: attempts, deaths, lost and late answers, receipts in any order, odd ones; the end that it has."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import hypothesis
import pytest
import sqlalchemy as sa
import structlog
import time_machine
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import notifier
from api.models.base import session
from api.models.notification import Notification, State
from api.models.provider_event import BOUNCE_WAIT, ProviderEvent, ReceiptKind
from api.models.slot import Detection, SlotRow
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.clock import clock
from configs.settings import settings
from configs.world.retention import receipts_kept_for
from deploy.sandbox.providers.receipts import make_public_key, sign_events, sign_form
from notifier import applied_receipts, receipts
from notifier.channels.provider_base import Acceptance, OutcomeUnknown, Receipt, TemporaryError
from notifier.channels.providers.twilio import SMS_WEBHOOK, callback_of
from notifier.delivery import delivery
from notifier.jobs import apply_receipts, deliver
from notifier.receipts import READERS
from notifier.sweep import undelivered
from tests.fuzz import times
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.receipts.receipts_world import HARD, SECRET, event_of, send_events
from tests.notifier.receipts.test_receipts import contact_of, losses, sent, state_of, stored, unknown

pytestmark = pytest.mark.usefixtures("whole", "_keys")
HISTORIES, FUZZED, STEPS = 10, 100, 20
PROVIDERS = {Channel.EMAIL: "sendgrid", Channel.SMS: "twilio"}
RANKS = (State.SENT, State.NO_RECEIPT, State.DELIVERED, State.BOUNCED)
ARRIVED = {ReceiptKind.DELIVERED, ReceiptKind.COMPLAINED}
CONTACT_RANKS = (ContactState.OK, ContactState.BOUNCED, ContactState.UNSUBSCRIBED)
CONTACT_STATES = {
    ReceiptKind.BOUNCED: ContactState.BOUNCED,
    ReceiptKind.COMPLAINED: ContactState.UNSUBSCRIBED,
    ReceiptKind.STOPPED: ContactState.UNSUBSCRIBED,
}
which = st.sampled_from(list(PROVIDERS))
kinds = st.sampled_from(list(ReceiptKind))


@dataclass
class Sent:
    """What a provider and we know of one message; its attempts are named by the provider's ids."""

    key: UUID
    contact_id: UUID
    taken: list[str] = field(default_factory=list)  # the provider took these
    own: str = ""  # whose answer our row has
    said: set[tuple[str, ReceiptKind]] = field(default_factory=set)
    state: State = State.PENDING  # at the last look
    open: list[delivery.Sent] = field(default_factory=list)  # answers that no worker has written yet
    given_up: bool = False  # before our row's answer was written: what failed until then was another copy's

    def kinds_of(self, attempt: str) -> set[ReceiptKind]:
        """Return what was said of one attempt."""
        return {kind for each, kind in self.said if each == attempt}

    def failures_of(self, attempt: str) -> set[ReceiptKind]:
        return self.kinds_of(attempt) - {*ARRIVED, ReceiptKind.ACCEPTED}

    @property
    def is_sure(self) -> bool:
        """Whether a copy was accepted for good: one whose failure comes before its yes is sent again."""
        return bool(self.own) or any(
            kind in ARRIVED or (kind is ReceiptKind.ACCEPTED and not self.failures_of(attempt))
            for attempt, kind in self.said
        )


class Receipts(RuleBasedStateMachine):
    """One person's slot alert by mail and SMS. A provider speaks only of what it took, and of others' messages."""

    traveller: time_machine.Traveller

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[Channel, Sent] = {}
        self.stored = 0
        self.slots: list[int] = []

    @initialize()
    def an_alert_is_written(self) -> None:
        with session() as s:
            for table in (ProviderEvent, User, Detection, SlotRow):
                s.execute(sa.delete(table))
        world.alert(world.person(channels=list(PROVIDERS)))
        self.slots = world.slots()
        world.matched(world.detection(self.slots))
        for row in world.notifications():
            assert row.contact_id
            self.sent[row.channel] = Sent(row.id, row.contact_id)

    @rule(
        channel=which,
        taken=st.booleans(),
        heard=st.sampled_from(["yes", "yes", "nothing", "late", "refused"]),
    )
    def a_worker_sends(self, channel: Channel, taken: bool, heard: str) -> None:
        """Where the answer is `late`, the worker writes it later, or died. What is `refused` is tried again."""
        mine = self.sent[channel]
        accepted = mine.state in RANKS
        claimed = delivery.claim([mine.key])
        assert not (accepted and claimed), "what was accepted is not sent again"
        for message in claimed:
            attempt, provider = uuid4().hex, PROVIDERS[channel]
            if heard == "refused":
                assert delivery.record_answer(delivery.Sent([message], TemporaryError("busy", 3)))
                continue
            if taken or heard == "yes":
                mine.taken.append(attempt)
            answer = Acceptance(provider, attempt, awaits_receipt=True)
            if heard == "nothing":
                delivery.record_answer(delivery.Sent([message], OutcomeUnknown("no answer")))
            elif heard == "yes":
                self.write(mine, delivery.Sent([message], answer))
            elif taken:
                mine.open.append(delivery.Sent([message], answer))

    @rule(channel=which)
    def a_late_answer_is_written(self, channel: Channel) -> None:
        mine = self.sent[channel]
        if mine.open:
            mine.given_up = mine.given_up or mine.state is not State.SENDING
            self.write(mine, mine.open.pop(0))

    def write(self, mine: Sent, sent: delivery.Sent) -> None:
        if delivery.record_answer(sent):
            assert isinstance(sent.answer, Acceptance)
            mine.own = sent.answer.provider_id

    @rule(channel=which, number=st.integers(0, 9), kind=kinds, repeated=st.integers(1, 3))
    def a_receipt_comes(self, channel: Channel, number: int, kind: ReceiptKind, repeated: int) -> None:
        """Of any attempt that was taken; a repetition has the same id, now or much later."""
        mine = self.sent[channel]
        if mine.taken:
            attempt = mine.taken[number % len(mine.taken)]
            is_new = (attempt, kind) not in mine.said
            stored = self.store(channel, [mine.key], attempt, kind, repeated)
            assert stored == is_new, "a repeated receipt is stored once"
            mine.said.add((attempt, kind))

    @rule(channel=which, kind=kinds)
    def a_receipt_of_a_message_of_nobody_comes(self, channel: Channel, kind: ReceiptKind) -> None:
        self.store(channel, [uuid4()], uuid4().hex, kind, 1)

    def store(
        self, channel: Channel, keys: list[UUID], attempt: str, kind: ReceiptKind, repeated: int
    ) -> int:
        receipt = Receipt(
            f"{attempt}:{kind.value}", kind, clock(), world.ADDRESSES[channel], attempt, tuple(keys), "1"
        )
        events = sa.select(sa.func.count()).select_from(ProviderEvent)
        with session() as s:
            before = s.scalar(events) or 0  # as the API, whose rights these are
            receipts.store(s, PROVIDERS[channel], [receipt] * repeated)
            stored = (s.scalar(events) or 0) - before
        self.stored += stored
        return stored

    @rule()
    def the_job_applies_receipts(self) -> None:
        apply_receipts()

    @rule(seconds=st.sampled_from([1, 16, 31, 121, 605, 1801, 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.traveller.shift(seconds)
        world.confirm(self.slots)
        undelivered(clock())  # where leases end
        applied_receipts.expire_receipts(clock())

    @invariant()
    def states_only_rise(self) -> None:
        rows: dict[UUID, Any] = {row.id: row for row in world.notifications()}
        for mine in self.sent.values():
            row = rows[mine.key]
            if mine.state in RANKS:
                assert row.state in RANKS, row.state
                assert RANKS.index(row.state) >= RANKS.index(mine.state)
            if row.state in RANKS:
                assert row.provider_id in mine.taken, "accepted by nobody"
                assert row.state is not State.DELIVERED or row.delivered_at >= row.accepted_at
            mine.state = row.state
        fallbacks = Counter(row.dedupe_key for row in rows.values() if row.dedupe_key.startswith("fallback:"))
        assert set(fallbacks) <= {f"fallback:{self.sent[Channel.SMS].key}"} if self.sent else not fallbacks

    def teardown(self) -> None:
        """A day later all is applied, and each message has the end that its receipts say together."""
        if not self.sent:
            return
        for _ in range(4):
            self.time_passes(86_400)
            self.the_job_applies_receipts()
            self.states_only_rise()
        with session() as s:
            events = s.scalars(sa.select(ProviderEvent)).all()
            contacts = {each.id: each for each in s.scalars(sa.select(Contact))}
            rows = {row.id: row for row in s.scalars(sa.select(Notification))}
        assert len(events) == self.stored
        for mine in self.sent.values():
            row = rows[mine.key]
            # A failure waits for the answer of a call that may still be written.
            assert row.state is State.SENDING or all(
                each.applied_at for each in events if mine.key in each.notification_ids
            )
            yes = {kind for _, kind in mine.said} & {*ARRIVED, ReceiptKind.ACCEPTED}
            assert row.state is State.SENDING or mine.is_sure <= (row.state in RANKS) <= bool(mine.own or yes)
            if row.state in RANKS:
                _check_end(mine, row, yes)
            if row.state is not State.SENDING:
                assert contacts[mine.contact_id].state is _contact_state(mine)
        self.all_lives_end()

    def all_lives_end(self) -> None:
        """However a history went, the sweep alone ends each life, and each says why."""
        for _ in range(30):
            for each in undelivered(clock()):
                for message in delivery.claim([each.id]):
                    delivery.record_answer(delivery.Sent([message], Acceptance("test", uuid4().hex)))
            if not (rows := world.notifications(State.PENDING, State.SENDING)):
                break
            wait = max(row.next_attempt_at for row in rows) - clock()
            self.traveller.shift(max(1, math.ceil(wait.total_seconds())))
            world.confirm(self.slots)
        for row in world.notifications():
            assert row.state in RANKS or (row.reason and row.failed_at), row.state


def _check_end(mine: Sent, row: Notification, yes: set[ReceiptKind]) -> None:
    """Check the state that the receipts give, in any order, of the copy that the row names."""
    kinds, failures = mine.kinds_of(row.provider_id or ""), mine.failures_of(row.provider_id or "")
    match row.state:
        case State.DELIVERED:
            assert kinds & ARRIVED
            assert not failures or row.provider_id != mine.own
        case State.BOUNCED:
            assert failures
        case _:
            assert not yes & ARRIVED
            assert not failures or row.provider_id != mine.own or mine.given_up


def _contact_state(mine: Sent) -> ContactState:
    said = [CONTACT_STATES[kind] for _, kind in mine.said if kind in CONTACT_STATES]
    return max(said, key=CONTACT_RANKS.index, default=ContactState.OK)


@pytest.fixture
def machine(
    database: str, redis_server: Any, settings_env: Any, frozen: time_machine.Traveller
) -> Iterator[type[Receipts]]:
    """Bind the machine to a database."""
    settings_env(EMAIL_PER_HOUR="3600", SMS_PER_HOUR="3600")
    logs = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield type("Bound", (Receipts,), {"traveller": frozen})
    structlog.configure(**logs)


def run_histories(machine: type[Receipts], number: int) -> None:
    settings = hypothesis.settings(max_examples=number, stateful_step_count=STEPS)
    run_state_machine_as_test(machine, settings=settings)


@pytest.mark.rule("3.5", "6.1")
def test_receipts_in_any_order_end_a_message_as_they_say_together(machine: type[Receipts]) -> None:
    run_histories(hypothesis.seed(0)(machine), HISTORIES)


@pytest.mark.journey
@pytest.mark.fuzz
def test_other_histories_of_receipts_end_a_message_as_they_say(machine: type[Receipts]) -> None:
    run_histories(machine, times(FUZZED))


# Receipts that no provider should send: odd letters, odd times, old ones again, many at once


HALF = "\ud800"  # of a character: JSON can spell it, no table takes it


@pytest.fixture
def _keys(whole: Any, settings_env: Callable[..., None]) -> None:
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET), API_URL="http://127.0.0.1:4000")


def call(*events: dict[str, Any]) -> None:
    """Call the webhook, signed, with events that JSON spells as it can."""
    body = json.dumps(events).encode()
    notifier.store_receipts("sendgrid", sign_events(SECRET, body, 1), body)


@in_turn("signature", ["é", "===", "AAAA", ""])
def test_a_signature_of_odd_letters_is_none(signature: str) -> None:
    headers = {"X-Twilio-Email-Event-Webhook-Signature": signature}
    assert not notifier.is_genuine("sendgrid", headers | {"X-Twilio-Email-Event-Webhook-Timestamp": "é"}, b"")
    assert not notifier.is_genuine("twilio", {"X-Twilio-Signature": signature}, b"A=1")
    assert not notifier.is_genuine("telegram", {"X-Telegram-Bot-Api-Secret-Token": signature}, b"{}")


def test_a_key_that_was_copied_in_part_refuses_no_call_of_the_other(
    settings_env: Callable[..., None],
) -> None:
    whole = make_public_key(SECRET)
    settings_env(SENDGRID_WEBHOOK_KEY=f"{whole[:40]},{whole[:41]},{whole}")
    assert notifier.is_genuine("sendgrid", sign_events(SECRET, b"[]", 1), b"[]")
    assert not notifier.is_genuine("sendgrid", sign_events("a stranger's", b"[]", 1), b"[]")


def test_half_a_character_in_one_event_loses_none_beside_it() -> None:
    key = sent()
    names = ("sg_event_id", "sg_message_id", "email", "status", "notification_id", "reason")
    odd = [event_of(key, "bounce", type="blocked") | {name: f"1{HALF}\0"} for name in names]
    call(*odd, event_of(key))
    apply_receipts()
    assert len(stored()) == len(names) + 1
    assert world.get(Notification, key).delivered_at


@pytest.mark.parametrize("at", [253402300799, -62135596800])
@pytest.mark.parametrize("write", [sent, unknown])
def test_a_provider_whose_clock_is_wrong_writes_no_time_that_cannot_be(
    write: Callable[[], UUID], at: int
) -> None:
    key = write()
    call(event_of(key, message_id=world.get(Notification, key).provider_id or "first", timestamp=at))
    apply_receipts()
    row = world.get(Notification, key)
    assert row.state is State.DELIVERED
    assert row.created_at <= row.accepted_at <= row.delivered_at <= clock()


def test_a_mail_that_was_dropped_for_a_spam_report_did_not_arrive() -> None:
    key = sent()
    send_events(event_of(key, "dropped", reason="Spam Reporting Address"))
    apply_receipts()
    assert (state_of(key), contact_of(key).state) == (State.BOUNCED, ContactState.UNSUBSCRIBED)


def test_a_late_bounce_of_a_mail_from_before_the_owner_confirmed_the_address_loses_nothing() -> None:
    key = sent()
    world.change(Contact, contact_of(key).id, verified_at=clock())
    send_events(event_of(key, "bounce", **HARD))
    apply_receipts()
    assert (state_of(key), contact_of(key).state) == (State.BOUNCED, ContactState.OK)
    send_events(event_of(key, "spamreport"))
    apply_receipts()
    assert contact_of(key).state is ContactState.UNSUBSCRIBED, "a wish counts whatever it is about"


def test_a_call_that_is_replayed_when_its_row_is_dropped_loses_no_contact() -> None:
    key = sent()
    before = clock() - receipts_kept_for() - timedelta(hours=1)
    world.change(Notification, key, created_at=before)
    world.change(Contact, contact_of(key).id, verified_at=before)
    send_events(event_of(key, "bounce", **HARD))
    apply_receipts()
    assert contact_of(key).state is ContactState.OK


def test_a_bounce_of_a_domain_in_its_other_spelling_is_the_contact_s(frozen: time_machine.Traveller) -> None:
    key = sent()
    world.change(Contact, contact_of(key).id, address="camille@préfecture.example")
    send_events(event_of(key, "bounce", **HARD, email="camille@xn--prfecture-c4a.example"))
    apply_receipts()
    frozen.shift(BOUNCE_WAIT)
    apply_receipts()
    assert contact_of(key).state is ContactState.BOUNCED


def test_many_bounces_are_told_once(monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller) -> None:
    monkeypatch.setattr("notifier.applied_receipts.AT_ONCE", 10)
    key = sent(Channel.EMAIL, Channel.TELEGRAM)
    send_events(*(event_of(key, "bounce", **HARD) for _ in range(12)))
    apply_receipts()
    apply_receipts()
    frozen.shift(BOUNCE_WAIT)
    apply_receipts()
    assert sum(each.applied_at is None for each in stored()) == 2, "of more than a batch, alerts go first"
    apply_receipts()
    assert len(losses()) == 1
    assert all(each.applied_at for each in stored())


def test_the_same_events_at_once_in_two_orders_are_stored_once() -> None:
    key = sent()
    events = [event_of(key) for _ in range(20)]
    world.at_once(*(partial(send_events, *some) for some in (events, events[::-1]) * 2))
    assert len(stored()) == len(events)


_STOPS = """stop\r
«\xa0STOP\xa0»|Stop SMS|ARRÊT|arre\u0302t !|STOP ALL|S.T.O.P.|\u200eSTOP\u200e|STOP36180|opt out|Arrêtez !
STOP merci|Stop. Merci|STOP svp|Stop RDVPriority|STOP au 36180|STOP\u202f!|Arrêt des SMS svp
Désabonner|désinscription|Désabonnez-moi, je n'ai rien demandé|Non merci, désabonnez-moi|Arrête|DESABONNEMENT|Je me désabonne|merci de me désinscrire|please unsubscribe
Bonjour, STOP|Please stop|svp stop|Merci d'arrêter|Veuillez stopper|Arrêtez les SMS|Arrêtez de m'envoyer des messages"""

_GOES_ON = """arrêtez de plaisanter|unstop|START|ne stoppez pas|non, pas stop|Je ne veux pas de STOP|ne me désabonnez pas|pas stop|Ne STOP pas|surtout stop non
merci, ne stoppez pas|arrêtez-vous au guichet|n'arrêtez pas les SMS|Bonjour|merci"""


def test_stop_is_understood_as_people_write_it_and_other_answers_stop_nothing() -> None:
    for words in (*re.split(r"[|\n]", _STOPS), "STOP\n\nEnvoyé de mon iPhone"):
        (said,) = read_answer(words)
        assert (said.kind, said.address) == (ReceiptKind.STOPPED, world.ADDRESSES[Channel.SMS]), words
    assert [words for words in re.split(r"[|\n]", _GOES_ON) if read_answer(words)] == []


def read_answer(words: str) -> Sequence[Receipt]:
    form = {"MessageSid": "SM1", "From": world.ADDRESSES[Channel.SMS], "Body": words}
    return READERS["twilio"][1](urlencode(form).encode(), "", clock())


def test_twilio_is_asked_to_repeat_what_we_could_not_take_and_may_sign_that_wish_or_not() -> None:
    address = callback_of(SMS_WEBHOOK, [uuid4()])
    assert address.endswith("#rc=5&rp=all")
    form = {"AccountSid": settings().require("twilio_account_sid"), "MessageSid": "SM1"}
    token, body = settings().require("twilio_auth_token"), urlencode(form).encode()
    for signed, is_genuine in (
        (address, True),
        (address.partition("#")[0], True),
        (f"{address}&tt=1", False),
    ):
        headers = sign_form(token, signed, form)
        assert notifier.is_genuine("twilio", headers, body, urlsplit(address).query) is is_genuine


def test_while_more_of_the_usual_kind_wait_only_failures_are_read_row_by_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("notifier.applied_receipts.MOST_DELIVERED", 1)
    for _ in range(3):
        world.alert(world.person())
    first, second, third = keys = world.matched(world.detection())
    deliver(*map(str, keys))
    send_events(event_of(first), event_of(second), event_of(third, "bounce", **HARD))
    apply_receipts()
    assert state_of(third) is State.BOUNCED
    assert {state_of(first), state_of(second)} == {State.DELIVERED, State.SENT}
    apply_receipts()
    apply_receipts()
    assert {state_of(first), state_of(second)} == {State.DELIVERED}
