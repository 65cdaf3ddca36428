"""Contacts that providers' answers end: ten minutes later, and none where too many would by what may be our fault."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from click.testing import CliRunner
from sqlalchemy.orm import Session

from api.admin.health.deliveries import check_delivery
from api.admin.health.findings import PartDown
from api.commands import bounces_command
from api.models.base import new_id
from api.models.contact_lookup import claim_address
from api.models.notification import Notification, Priority, State
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.clock import clock
from configs.ground.redis import redis
from deploy.sandbox.providers.receipts import make_public_key
from notifier.jobs import apply_receipts, deliver
from tests.factories import make_contact, rows, save_all
from tests.notifier import world
from tests.notifier.conftest import Posts
from tests.notifier.receipts.receipts_world import (
    HARD,
    SECRET,
    answer_sms,
    event_of,
    send_events,
    send_sms_state,
)
from tests.samples import try_first

pytestmark = pytest.mark.usefixtures("whole")
WAIT, WEEK = timedelta(minutes=10), timedelta(days=7)
MOST = 5
FEW = 4  # one more in a row are in doubt
OK, BOUNCED, STOPPED = ContactState.OK, ContactState.BOUNCED, ContactState.UNSUBSCRIBED
# What a provider answers to a message for an address that is none, and the provider's name.
REFUSALS = {
    Channel.SMS: ("twilio", {"code": 21211, "message": "no such number", "status": 400}),
    Channel.TELEGRAM: ("telegram", {"ok": False, "description": "Bad Request: chat not found"}),
}
Lose = Callable[[int], list[UUID]]


def address_of(channel: Channel, number: int) -> str:
    """Return another address for each number."""
    return {
        Channel.EMAIL: f"p{number}@example.org",
        Channel.SMS: f"+336123456{number:02}",
        Channel.TELEGRAM: str(10_000 + number),
    }[channel]


@pytest.fixture
def lose(whole: Any, posts: Posts, settings_env: Callable[..., None]) -> Callable[[str], Lose]:
    """Give a function of a way, which returns one that has so many contacts refused by it, and returns these."""

    def answer_directly(channel: Channel) -> Lose:
        def refuse(number: int) -> list[UUID]:
            keys = written(channel, number)
            if channel is Channel.EMAIL:
                settings_env(MAIL_PROVIDERS="smtp")
                addresses = ",".join(address_of(channel, each) for each in range(number))
                whole.provider_mode("smtp", "reject_address", address=addresses)
            else:
                provider, body = REFUSALS[channel]
                settings_env(STAND_INS=f"{provider}={posts.url}")
                posts.usual = 400, json.dumps(body).encode()
            deliver(*map(str, keys))
            return contacts_of(keys)

        return refuse

    def answer_later(channel: Channel) -> Lose:
        def report(number: int) -> list[UUID]:
            settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET), API_URL="http://127.0.0.1:4000")
            keys = written(channel, number)
            deliver(*map(str, keys))
            for key in keys:
                if channel is Channel.EMAIL:
                    send_events(event_of(key, "bounce", **HARD))
                else:
                    send_sms_state(key, "failed", "30005")
            apply_receipts()
            return contacts_of(keys)

        return report

    def by(way: str) -> Lose:
        when, channel = way.split()
        return {"answer": answer_directly, "receipt": answer_later}[when](Channel(channel))

    return by


def written(channel: Channel, number: int) -> list[UUID]:
    """Write a slot alert to so many people by one channel, each of whom has a chat or mail beside it."""
    other = Channel.EMAIL if channel is Channel.TELEGRAM else Channel.TELEGRAM
    for each in range(number):
        beside = {other: address_of(other, 50 + each), channel: address_of(channel, each)}
        who = world.person(channels=(channel, other), addresses=beside)
        world.alert(who)
        if channel is Channel.SMS:
            world.in_one_transaction(claim_number, who.contacts[channel])
    keys = world.matched(world.detection())
    return [key for key in keys if world.get(Notification, key).channel is channel]


def claim_number(opened: Session, contact: UUID) -> None:
    """Let an answer from that number be found."""
    assert claim_address(opened, opened.get_one(Contact, contact))


def contacts_of(keys: Sequence[UUID]) -> list[UUID]:
    return [each for key in keys if (each := world.get(Notification, key).contact_id)]


def states_of(contacts: Sequence[UUID]) -> set[ContactState]:
    return {row.state for row in rows(Contact, Contact.id.in_(contacts))}


def losses() -> int:
    return len(rows(Notification, Notification.kind == "channel_lost"))


def pass_time(frozen: time_machine.Traveller, wait: timedelta) -> None:
    """Let time pass, and the receipts that are due be applied."""
    frozen.shift(wait)
    apply_receipts()


WAYS = ["answer email", "receipt email", "answer sms", "receipt sms", "answer telegram"]


@pytest.mark.parametrize("way", try_first(WAYS, 2))
def test_a_few_contacts_end_ten_minutes_after_the_answer_and_their_owners_are_told(
    lose: Callable[[str], Lose], frozen: time_machine.Traveller, way: str
) -> None:
    contacts = lose(way)(FEW)
    assert len(contacts) == FEW
    pass_time(frozen, WAIT - timedelta(seconds=1))
    assert (states_of(contacts), losses()) == ({OK}, 0)
    pass_time(frozen, timedelta(seconds=1))
    assert (states_of(contacts), losses()) == ({BOUNCED}, FEW)


@pytest.mark.parametrize("way", try_first(WAYS, 2))
def test_no_contact_ends_where_too_many_would_operators_have_the_answers_and_a_week_drops_them(
    lose: Callable[[str], Lose], frozen: time_machine.Traveller, way: str
) -> None:
    contacts = lose(way)(MOST + 1)
    pass_time(frozen, WAIT)
    assert (states_of(contacts), losses()) == ({OK}, 0)
    with pytest.raises(PartDown) as found:
        check_delivery(redis())
    (said,) = (each for each in found.value.troubles if each.reason == "held_bounces")
    assert said.figures["number"] == MOST + 1
    pass_time(frozen, WEEK)
    pass_time(frozen, WEEK)
    assert (states_of(contacts), losses(), list_held()) == ({OK}, 0, "")


def list_held() -> str:
    return CliRunner().invoke(bounces_command, ["list"]).output


@pytest.mark.parametrize(("act", "state", "told"), [("apply", BOUNCED, MOST + 1), ("drop", OK, 0)])
def test_an_operator_decides_about_what_is_held(
    lose: Callable[[str], Lose],
    frozen: time_machine.Traveller,
    act: str,
    state: ContactState,
    told: int,
) -> None:
    contacts = lose("answer email")(MOST + 1)
    pass_time(frozen, WAIT)
    assert "6 contacts  smtp answered 550 5.1.1 to the address" in list_held()
    assert CliRunner().invoke(bounces_command, [act, "twilio"]).output == f"0 answers: {act}\n"
    assert "6 answers" in CliRunner().invoke(bounces_command, [act, "smtp"]).output
    apply_receipts()
    assert (states_of(contacts), losses(), list_held()) == ({state}, told, "")


@pytest.mark.parametrize(("others", "state"), [(293, OK), (294, BOUNCED)])
def test_six_of_three_hundred_are_not_too_many(
    lose: Callable[[str], Lose], frozen: time_machine.Traveller, others: int, state: ContactState
) -> None:
    contacts = lose("receipt email")(MOST + 1)
    accept(others)
    pass_time(frozen, WAIT)
    assert states_of(contacts) == {state}


def accept(number: int) -> None:
    """Let SendGrid accept a message to so many more confirmed addresses, and to one that is not confirmed."""
    keys = [new_id() for _ in range(number + 1)]
    users = [User(id=each, email=f"{each}@example.org") for each in keys]
    theirs = [make_contact(each.id, Channel.EMAIL, each.email) for each in users]
    theirs[-1].verified_at = None
    now = clock()
    save_all([
        *users, *theirs,
        *(
            Notification(
                user_id=each.user_id, contact_id=each.id, channel=Channel.EMAIL, kind="welcome",
                priority=Priority.IMMEDIATE, dedupe_key=str(each.id), state=State.SENT, provider="sendgrid",
                accepted_at=now, next_attempt_at=now, created_at=now,
            )
            for each in theirs
        ),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("apart", "ended"), [(timedelta(minutes=2, seconds=30), 2), (timedelta(minutes=15), 8)]
)
@pytest.mark.parametrize("is_any_yes", [True, False])
def test_bounces_that_come_one_by_one_are_counted_by_the_hour_and_held_where_five_follow_each_other(
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
    apart: timedelta,
    ended: int,
    *,
    is_any_yes: bool,
) -> None:
    """Without a yes between them, what the first four ended is given back."""
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET))
    keys = written(Channel.EMAIL, 8)
    deliver(*map(str, keys))
    for key in keys:
        send_events(event_of(key, "bounce", **HARD))
        if is_any_yes:
            accept(0)
        pass_time(frozen, apart)
    pass_time(frozen, WAIT)
    states = [world.get(Contact, each).state for each in contacts_of(keys)]
    lost = ended if is_any_yes else 0
    assert [each is BOUNCED for each in states] == [True] * lost + [False] * (8 - lost)
    assert is_any_yes or "8 contacts" in list_held()


def test_while_answers_are_held_further_ones_of_the_provider_join_them(
    lose: Callable[[str], Lose], frozen: time_machine.Traveller
) -> None:
    lose("answer email")(MOST + 1)
    pass_time(frozen, WAIT)
    (later, *_) = late = world.matched(world.detection(world.slots(place="2")))
    assert late
    deliver(str(later))
    pass_time(frozen, WAIT)
    assert states_of(contacts_of([later])) == {OK}


def test_what_people_did_themselves_counts_at_once_for_any_number(
    whole: Any, settings_env: Callable[..., None]
) -> None:
    settings_env(SENDGRID_WEBHOOK_KEY=make_public_key(SECRET), API_URL="http://127.0.0.1:4000")
    texts = written(Channel.SMS, MOST + 1)
    for each in range(MOST + 1):
        answer_sms(address_of(Channel.SMS, each), "STOP")
    apply_receipts()
    assert states_of(contacts_of(texts)) == {STOPPED}
    chats = [each for each in rows(Notification) if each.channel is Channel.TELEGRAM]
    for chat in chats:
        address = world.get(Contact, chat.contact_id).address
        whole.provider_mode("telegram", "reject_address", address=address)  # the bot was blocked
        deliver(str(chat.id))
    assert states_of(contacts_of([each.id for each in chats])) == {ContactState.BLOCKED}


def test_a_contact_that_was_never_confirmed_ends_at_once(whole: Any) -> None:
    key = world.verification()
    whole.provider_mode("email", "reject_address", address=world.ADDRESSES[Channel.EMAIL])
    deliver(str(key))
    assert states_of(contacts_of([key])) == {BOUNCED}


@pytest.mark.parametrize("change", [{}, {"address": "new@example.org"}])
def test_an_address_that_its_owner_confirms_meanwhile_is_kept(
    lose: Callable[[str], Lose], frozen: time_machine.Traveller, change: dict[str, str]
) -> None:
    (contact,) = lose("answer email")(1)
    frozen.shift(timedelta(minutes=1))
    world.change(Contact, contact, verified_at=clock(), **change)
    pass_time(frozen, WAIT)
    assert (states_of([contact]), losses()) == ({OK}, 0)


def test_a_contact_that_stopped_meanwhile_stays_stopped(
    lose: Callable[[str], Lose], frozen: time_machine.Traveller
) -> None:
    (contact,) = lose("receipt sms")(1)
    answer_sms(address_of(Channel.SMS, 0), "STOP")
    pass_time(frozen, WAIT)
    pass_time(frozen, WAIT)
    assert (states_of([contact]), losses()) == ({STOPPED}, 1)
