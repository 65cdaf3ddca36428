"""Headers and links of mails: our id, unsubscribing in one click where a reader may stop such mails, answers."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

import notifier
from api.alerts.answers import list_announced
from api.models.alert import Alert
from api.models.answer import AnswerValue
from api.models.notification import Match, Notification, State
from api.models.user import Channel, Contact
from configs.ground.addresses import digest
from configs.ground.message_groups import STOPPABLE, MessageGroup
from configs.ground.signing import AnswerAlert, StopAlerts, StopGroup, read_token, read_unsubscription
from notifier.content.message_kind_base import ClaimedRow, TemplateContext
from notifier.content.messages import languages_of, render
from notifier.content.slot_alert_content import ANSWER_TAGS
from notifier.delivery.claiming import add_stop_link
from notifier.delivery.delivery import write_stop_headers
from notifier.jobs import deliver
from notifier.message_kinds import kinds
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.content.message_samples import SampleSize, list_samples

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.running_sandbox import Running

pytestmark = pytest.mark.usefixtures("whole")
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
_LINK = re.compile(r"http://\S+?/l/(answer\.[^?\s\"]+)\?value=(\w+)")


def open_desk(desk_id: str = world.DESK) -> list[UUID]:
    return world.matched(
        world.detection(
            world.slots([world.MORNING], desk_id=desk_id), desk_id=desk_id, label="Titre de séjour"
        )
    )


def read_links(text: str) -> tuple[set[UUID], list[str]]:
    """Return which messages the links of a text answer, and the answers in their order."""
    found = _LINK.findall(text)
    return {read_token(AnswerAlert, token).notification for token, _ in found}, [value for _, value in found]


def opened_for(who: world.Person, *desks: str) -> list[UUID]:
    world.alert(who, *({"desk_id": desk} for desk in desks))
    made = []
    for desk in desks:
        made += world.matched(
            world.detection(world.slots(desk_id=desk), desk_id=desk, label="Titre de séjour")
        )
    return made


def stopped_by(found: dict[str, str]) -> StopAlerts | StopGroup:
    address = found["List-Unsubscribe"]
    assert address.startswith("<http")
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return read_unsubscription(address.strip("<>").rpartition("/l/")[2])


@pytest.mark.parametrize("provider", ["sendgrid", "smtp"])
def test_every_provider_writes_our_id_the_headers_to_stop_and_a_link_for_each_answer(
    sandbox: "Running", settings_env: Callable[..., None], provider: str
) -> None:
    settings_env(MAIL_PROVIDERS=provider)
    (made,) = opened_for(world.person(), world.DESK)
    deliver(str(made))
    assert world.get(Notification, made).provider == provider
    (mail,) = sandbox.messages("email")
    found = mail.draft.headers
    assert found["Message-ID"] == f"<{made}@rdvpriority.fr>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert stopped_by(found) == StopAlerts((world.all_of(Alert)[0].id,))
    for text in (mail.text, mail.html or ""):
        assert found["List-Unsubscribe"].strip("<>") in text
        assert read_links(text) == ({made}, list(AnswerValue))
        assert not any(tag in text for tag in ANSWER_TAGS.values())


def test_each_person_of_a_crowd_stops_and_answers_their_own_alert(sandbox: "Running") -> None:
    addresses = [f"p{number}@example.org" for number in range(3)]
    alerts = {each: world.alert(world.person(addresses={Channel.EMAIL: each})) for each in addresses}
    deliver(*map(str, world.matched(world.detection())))
    mails = sandbox.messages("email")
    assert len({mail.provider_id for mail in mails}) == 1  # one call
    assert {mail.to: stopped_by(mail.draft.headers) for mail in mails} == {
        to: StopAlerts((alert_id,)) for to, alert_id in alerts.items()
    }
    for mail in mails:
        (answered,), _ = read_links(mail.html or "")
        assert mail.custom["notification_id"] == str(answered)
        assert mail.draft.headers["Message-ID"] == f"<{answered}@rdvpriority.fr>"


def test_a_mail_of_several_alerts_stops_them_all_by_one_click_and_is_answered_whole(
    sandbox: "Running",
) -> None:
    who = world.person()
    alerts = {world.alert(who, {"desk_id": desk}) for desk in (world.DESK, world.OTHER_DESK)}
    keys = [*open_desk(), *open_desk(world.OTHER_DESK)]
    deliver(*map(str, keys))
    (mail,) = sandbox.messages("email")
    wish = stopped_by(mail.draft.headers)
    assert isinstance(wish, StopAlerts)
    assert set(wish.alerts) == alerts
    (named,), values = read_links(mail.text)
    assert (named in keys, len(values)) == (True, 4)
    announced = world.in_one_transaction(list_announced, named)
    assert {each.match_id for each in announced} == {each.id for each in world.all_of(Match)}
    assert len(world.all_of(Match)) == 2


def written(who: world.Person, kind: str, **params: object) -> Notification:
    def write(s: "Session") -> UUID:
        return notifier.create_notifications(s, who.id, kind, params, kind)[0]

    row: Notification = world.get(Notification, world.in_one_transaction(write))
    return row


def test_who_can_stop_a_group_is_offered_that_in_one_click() -> None:
    who = world.person()
    stoppable = {kind: its.group for kind, its in kinds().items() if its.group in STOPPABLE}
    assert set(stoppable.values()) == STOPPABLE
    for kind, group in stoppable.items():
        row = ClaimedRow.of(written(who, kind))
        context = add_stop_link(row, group, "camille@example.org", TemplateContext())
        wish = stopped_by(write_stop_headers(context))
        assert wish == StopGroup(who.contacts[Channel.EMAIL], digest("camille@example.org"), group)


def test_a_mail_of_a_group_that_can_be_stopped_leaves_with_its_link_and_headers(sandbox: "Running") -> None:
    who = world.person()
    saved = world.alert(who, enabled=False)
    deliver(str(written(who, "desk_watchable", alert=str(saved), desks=[world.DESK]).id))
    (mail,) = sandbox.messages("email")
    found = mail.draft.headers
    assert stopped_by(found) == StopGroup(
        who.contacts[Channel.EMAIL], digest("camille@example.org"), MessageGroup.DESK
    )
    for text in (mail.text, mail.html or ""):
        assert found["List-Unsubscribe"].strip("<>") in text


@in_turn("kind", sorted(name for name, its in kinds().items() if its.group in STOPPABLE))
def test_each_kind_that_can_be_stopped_shows_the_link_in_its_footer(kind: str) -> None:
    for language in languages_of(kind):
        mail = render(kind, "email", language, list_samples(kind, language, SampleSize.USUAL))
        assert f'href="{world.URL}/stop"' in mail.html
        assert f"{world.URL}/stop" in mail.text


@in_turn("kind", ["new_sign_in", "order", "password_reset", "renewal_soon", "account_unused"])
def test_mails_about_account_and_payment_cannot_be_stopped(kind: str) -> None:
    context = TemplateContext()
    row = ClaimedRow.of(written(world.person(), kind))
    assert add_stop_link(row, kinds()[kind].group, "camille@example.org", context) is context
    assert write_stop_headers(context) == {}


def test_a_group_that_was_stopped_is_not_sent_its_row_says_why_and_slot_alerts_are(
    sandbox: "Running",
) -> None:
    who = world.person()
    row = written(who, "release_soon")
    world.change(Contact, who.contacts[Channel.EMAIL], stopped_groups=["reminders", "desk", "news"])
    deliver(str(row.id))
    after = world.get(Notification, row.id)
    assert (after.state, after.reason) == (State.SKIPPED, "stopped by its reader")
    assert sandbox.messages() == []
    deliver(*map(str, opened_for(who, world.DESK)))
    assert len(sandbox.messages("email")) == 1


def test_other_channels_carry_no_link_to_answer(sandbox: "Running") -> None:
    world.alert(world.person(channels=ALL))
    for key in open_desk():
        deliver(str(key))
    for channel in ("sms", "telegram"):
        (message,) = sandbox.messages(channel)
        text = f"{message.text}{message.html}"
        assert "/l/answer." not in text
        assert "%answer" not in text
