"""Shared contents of a part's messages: never another person's name of an alert, language or slots."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from api.models.base import session
from api.models.user import Channel, User
from tests.notifier.world import DESK, MORNING, alert, detection, match, person, slots

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


def mails(whole: "Running", *wishes: tuple[str | None, str, dict[str, Any]]) -> list[str]:
    """Let a person each wait with a name of the alert, a language and limits; return their mails of two mornings."""
    addresses = [f"p{number}@example.org" for number, _ in enumerate(wishes)]
    for address, (name, language, limits) in zip(addresses, wishes, strict=True):
        who = person(addresses={Channel.EMAIL: address})
        with session() as opened:
            opened.execute(sa.update(User).where(User.id == who.id).values(language=language))
        alert(who, {"desk_id": DESK, **limits}, name=name)
    match(str(detection(slots([MORNING, MORNING + timedelta(days=1)]))))
    found = {mail.to: mail.text for mail in whole.messages("email")}
    return [found[address] for address in addresses]


def test_each_reads_the_name_of_their_own_alert(whole: "Running") -> None:
    one, two, none = mails(whole, ("Karim", "fr", {}), ("Divorce", "fr", {}), (None, "fr", {}))
    named = [[name for name in ("Karim", "Divorce") if name in text] for text in (one, two, none)]
    assert named == [["Karim"], ["Divorce"], []]


def test_each_reads_their_own_language(whole: "Running") -> None:
    one, two = mails(whole, (None, "fr", {}), (None, "en", {}))
    named = [[month for month in ("novembre", "November") if month in text] for text in (one, two)]
    assert named == [["novembre"], ["November"]]


def test_each_reads_of_their_own_slots(whole: "Running") -> None:
    first, second = MORNING.date(), MORNING.date() + timedelta(days=1)
    limits: list[dict[str, Any]] = [{"date_to": first}, {"date_from": second}, {}]
    texts = mails(whole, *((None, "en", each) for each in limits))
    one, two, both = (each.split("Seen on")[0] for each in texts)  # which is today
    days = [f"November {day.day}" for day in (first, second)]
    assert [next(day for day in days if day in text) for text in (one, two, both)] == [
        days[0],
        days[1],
        days[0],
    ]
    assert days[0] not in two
    assert one != both
