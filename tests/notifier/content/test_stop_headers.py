"""Headers of mails: our id, and one-click unsubscribing where a reader may stop such mails."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

import notifier
from api.models.alert import Alert
from api.models.notification import Notification, State
from api.models.user import Channel, Contact
from configs.ground.contact_addresses import digest
from configs.ground.message_groups import STOPPABLE, MessageGroup
from configs.ground.signed_links import StopAlerts, StopGroup, read_unsubscription
from notifier.content.message_kind_base import ClaimedRow, TemplateContext
from notifier.content.messages import languages_of, render
from notifier.delivery.claiming import add_stop_link
from notifier.delivery.delivery import write_stop_headers
from notifier.jobs import deliver
from notifier.message_kinds import kinds
from tests.notifier.content.message_samples import SampleSize, list_samples
from tests.notifier.world import (
    DESK,
    OTHER_DESK,
    URL,
    Person,
    alert,
    all_of,
    change,
    detection,
    get,
    in_one_transaction,
    matched,
    person,
    slots,
)  # fmt: skip

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")


def opened_for(who: Person, *desks: str) -> list[UUID]:
    alert(who, *({"desk_id": desk} for desk in desks))
    made = []
    for desk in desks:
        made += matched(detection(slots(desk_id=desk), desk_id=desk, label="Titre de séjour"))
    return made


def headers(sandbox: "Running") -> dict[str, str]:
    (mail,) = sandbox.messages("email")
    return mail.draft.headers


def stopped_by(found: dict[str, str]) -> StopAlerts | StopGroup:
    address = found["List-Unsubscribe"]
    assert address.startswith("<http")
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return read_unsubscription(address.strip("<>").rpartition("/l/")[2])


@pytest.mark.parametrize("provider", ["sendgrid", "smtp"])
def test_every_provider_writes_our_id_and_the_headers_to_stop(
    sandbox: "Running", settings_env: Callable[..., None], provider: str
) -> None:
    settings_env(MAIL_PROVIDERS=provider)
    (made,) = opened_for(person(), DESK)
    deliver(str(made))
    assert get(Notification, made).provider == provider
    found = headers(sandbox)
    assert found["Message-ID"] == f"<{made}@rdvpriority.fr>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert stopped_by(found) == StopAlerts((all_of(Alert)[0].id,))


def test_each_person_of_a_crowd_stops_their_own_alert(sandbox: "Running") -> None:
    addresses = [f"p{number}@example.org" for number in range(3)]
    alerts = {each: alert(person(addresses={Channel.EMAIL: each})) for each in addresses}
    deliver(*map(str, matched(detection())))
    mails = sandbox.messages("email")
    assert len({mail.provider_id for mail in mails}) == 1  # one call
    assert {mail.to: stopped_by(mail.draft.headers) for mail in mails} == {
        to: StopAlerts((alert_id,)) for to, alert_id in alerts.items()
    }
    assert len({mail.draft.headers["Message-ID"] for mail in mails}) == 3


def test_one_click_on_a_mail_of_several_alerts_stops_them_all(sandbox: "Running") -> None:
    who = person()
    alerts = {alert(who, {"desk_id": desk}) for desk in (DESK, OTHER_DESK)}
    made = [matched(detection(slots(desk_id=desk), desk_id=desk))[0] for desk in (DESK, OTHER_DESK)]
    deliver(*map(str, made))
    wish = stopped_by(headers(sandbox))
    assert isinstance(wish, StopAlerts)
    assert set(wish.alerts) == alerts


def written(who: Person, kind: str) -> Notification:
    def write(s: "Session") -> UUID:
        return notifier.create_notifications(s, who.id, kind, {}, kind)[0]

    row: Notification = get(Notification, in_one_transaction(write))
    return row


def test_who_can_stop_a_group_is_offered_that_in_one_click() -> None:
    who = person()
    stoppable = {kind: its.group for kind, its in kinds().items() if its.group in STOPPABLE}
    assert set(stoppable.values()) == {MessageGroup.DESK, MessageGroup.REMINDERS, MessageGroup.SUMMARY}
    for kind, group in stoppable.items():
        row = ClaimedRow.of(written(who, kind))
        context = add_stop_link(row, group, "camille@example.org", TemplateContext())
        wish = stopped_by(write_stop_headers(context))
        assert wish == StopGroup(who.contacts[Channel.EMAIL], digest("camille@example.org"), group)


@pytest.mark.parametrize("kind", sorted(name for name, its in kinds().items() if its.group in STOPPABLE))
def test_each_kind_that_can_be_stopped_shows_the_link_in_its_footer(kind: str) -> None:
    for language in languages_of(kind):
        mail = render(kind, "email", language, list_samples(kind, language, SampleSize.USUAL))
        assert f'href="{URL}/stop"' in mail.html
        assert f"{URL}/stop" in mail.text


@pytest.mark.parametrize("kind", ["new_sign_in", "order", "password_reset", "renewal_soon", "account_unused"])
def test_mails_about_account_and_payment_cannot_be_stopped(kind: str) -> None:
    context = TemplateContext()
    row = ClaimedRow.of(written(person(), kind))
    assert add_stop_link(row, kinds()[kind].group, "camille@example.org", context) is context
    assert write_stop_headers(context) == {}


def test_a_group_that_was_stopped_is_not_sent_and_its_row_says_why(sandbox: "Running") -> None:
    who = person()
    row = written(who, "release_soon")
    change(Contact, who.contacts[Channel.EMAIL], stopped_groups=["reminders"])
    deliver(str(row.id))
    after = get(Notification, row.id)
    assert (after.state, after.reason) == (State.SKIPPED, "stopped by its reader")
    assert sandbox.messages() == []


def test_stopping_a_group_stops_no_slot_alert(sandbox: "Running") -> None:
    who = person()
    change(Contact, who.contacts[Channel.EMAIL], stopped_groups=["reminders", "desk", "news"])
    deliver(*map(str, opened_for(who, DESK)))
    assert len(sandbox.messages("email")) == 1
