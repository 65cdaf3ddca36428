"""The books of a chaos run: they find what was lost, late, doubled or told to the wrong person."""

from datetime import UTC, datetime, timedelta

import pytest

from api.models.user import Channel
from deploy.chaos.accounting import DeliveryAccount, settle
from deploy.chaos.deliveries import Delivery, DeliverySight
from deploy.chaos.inbox import InboxMessage
from deploy.chaos.journal import Kill, OpenedSlot, OpeningJournal, Spell
from deploy.chaos.outages import OutageKind, ProviderOutage
from deploy.chaos.subscribers import PEOPLE, Person, Reached, entitled

DESK = "evry-courcouronnes_91/naturalisation"
ELSEWHERE = "melun_77/naturalisation"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SLOT = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
BOUND = 45.0
ANA = (Channel.EMAIL, "ana@example.org")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def journal() -> OpeningJournal:
    made = OpeningJournal()
    made.note_opening(OpenedSlot(DESK, "23018", SLOT, NOON))
    return made


def told(
    reached: Reached, seconds: float, number: int, notification: str = "", *, timeless: bool = False
) -> Delivery:
    channel, address = reached
    message = InboxMessage(number, channel, address, at(seconds), frozenset({notification or address}))
    return Delivery(message, frozenset({(DESK, SLOT)}), timeless)


def everybody(seconds: float = 1) -> list[Delivery]:
    return [told(reached, seconds, number) for number, reached in enumerate(sorted(entitled(DESK)), 1)]


def books(journal: OpeningJournal, deliveries: list[Delivery], seconds: float = 100) -> DeliveryAccount:
    return settle(journal, deliveries, at(seconds), BOUND)


def named(name: str) -> Person:
    return next(person for person in PEOPLE if person.name == name)


def test_who_is_entitled_follows_plan_alert_and_desk() -> None:
    assert {address for _, address in entitled(DESK)} == {
        "ana@example.org", "+33639980001", "100000001",
        "bruno@example.org", "+33639980002", "100000002",
        "chloe@example.org", "100000003",
        "david@example.org",
    }  # fmt: skip
    assert ("david@example.org" in {address for _, address in entitled(ELSEWHERE)}) is False


def test_all_told_is_a_clean_account(journal: OpeningJournal) -> None:
    account = books(journal, everybody())
    assert account.is_clean
    assert (account.expected, account.late, account.worst) == (9, [], 1.0)


def test_a_message_that_never_came_is_lost(journal: OpeningJournal) -> None:
    account = books(journal, [each for each in everybody() if each.message.address != ANA[1]])
    assert account.lost == [((DESK, SLOT), ANA)]
    assert account.expected == 9


def test_a_slot_that_did_not_stay_need_not_be_told(journal: OpeningJournal) -> None:
    journal.openings[0].taken_at = at(BOUND - 1)
    account = books(journal, [])
    assert (account.expected, account.lost) == (0, [])


def test_the_time_begins_anew_with_each_harm(journal: OpeningJournal) -> None:
    journal.spells.append(Spell("stop-postgres", at(10), at(40)))
    assert not books(journal, everybody(84)).late
    late = books(journal, everybody(86)).late
    assert {took for _, took in late} == {46.0}
    journal.kills.append(Kill("spider", 1, at(50)))
    assert not books(journal, everybody(86)).late


def test_an_open_slot_is_lost_only_after_so_much_peace(journal: OpeningJournal) -> None:
    journal.kills.append(Kill("spider", 1, at(40)))
    assert books(journal, [], seconds=84).expected == 0
    assert len(books(journal, [], seconds=86).lost) == 9


def test_what_was_lost_stays_lost_whatever_is_done_to_the_stack_later(journal: OpeningJournal) -> None:
    journal.kills += [Kill("spider", 1, at(each)) for each in (50, 60, 70)]
    assert len(books(journal, [], seconds=80).lost) == 9
    journal.spells.append(Spell("stop-redis", at(-5), at(70)))
    assert books(journal, [], seconds=80).lost == []


def test_a_message_that_came_twice_without_a_reason_is_not_allowed(journal: OpeningJournal) -> None:
    account = books(journal, [*everybody(), told(ANA, 5, 50)])
    assert account.doubled == [((DESK, SLOT), ANA)]
    assert not account.is_clean


@pytest.mark.parametrize("who", ["worker", "notifier master"])
@pytest.mark.parametrize(("died", "leave"), [(0.5, True), (4.5, True), (6, False), (-1, False)])
def test_a_double_is_allowed_where_a_worker_died_with_the_yes(
    journal: OpeningJournal, who: str, died: float, leave: bool
) -> None:
    journal.kills.append(Kill(who, 1, at(died)))
    account = books(journal, [*everybody(), told(ANA, 9, 50)])
    assert (len(account.doubled_allowed), len(account.doubled)) == ((1, 0) if leave else (0, 1))


def test_the_death_of_another_program_excuses_no_double(journal: OpeningJournal) -> None:
    journal.kills.append(Kill("sweep", 1, at(1)))
    assert books(journal, [*everybody(), told(ANA, 9, 50)]).doubled


def test_a_double_is_allowed_where_that_channel_s_provider_kept_its_answer(journal: OpeningJournal) -> None:
    journal.spells.append(Spell("provider-hangs", at(0), at(8), silences="email"))
    sms = (Channel.SMS, named("ana").addresses[Channel.SMS])
    account = books(journal, [*everybody(), told(ANA, 9, 50), told(sms, 9, 51)])
    assert account.doubled_allowed == [((DESK, SLOT), ANA)]
    assert account.doubled == [((DESK, SLOT), sms)]


def test_another_notification_of_the_same_slot_is_never_allowed(journal: OpeningJournal) -> None:
    journal.kills.append(Kill("worker", 1, at(1)))
    assert books(journal, [*everybody(), told(ANA, 9, 50, "another")]).doubled


def test_an_hour_may_follow_its_unknown_one_but_not_itself(journal: OpeningJournal) -> None:
    others = [each for each in everybody() if each.message.address != ANA[1]]
    first, second = told(ANA, 1, 50, timeless=True), told(ANA, 2, 51, "hours")
    assert books(journal, [*others, first, second]).is_clean
    assert not books(journal, [*others, first, second, told(ANA, 3, 52, "hours")]).is_clean


def test_an_unknown_hour_means_what_its_place_showed_until_hours_were_seen() -> None:
    sight = DeliverySight(DESK, "23018", None, opened_at=at(10), gone_at=at(20))
    assert sight.means(OpenedSlot(DESK, "23018", SLOT, at(5)))
    assert sight.means(OpenedSlot(DESK, "23018", SLOT, at(15), taken_at=at(16)))
    assert not sight.means(OpenedSlot(DESK, "23018", SLOT, at(5), taken_at=at(8)))
    assert not sight.means(OpenedSlot(DESK, "23018", SLOT, at(22)))
    assert not sight.means(OpenedSlot(DESK, "23019", SLOT, at(15)))
    assert DeliverySight(DESK, "23018", SLOT, at(10), at(20)).means(OpenedSlot(DESK, "23018", SLOT, at(5)))


@pytest.mark.parametrize("name", ["eve", "felix"])
def test_who_is_told_without_waiting_or_paying_is_a_stranger(journal: OpeningJournal, name: str) -> None:
    stranger = (Channel.EMAIL, named(name).addresses[Channel.EMAIL])
    assert books(journal, [*everybody(), told(stranger, 2, 50)]).strangers == [((DESK, SLOT), stranger)]


def test_a_channel_that_the_plan_does_not_have_is_a_stranger_too(journal: OpeningJournal) -> None:
    stranger = (Channel.SMS, named("chloe").addresses[Channel.SMS])
    assert not books(journal, [*everybody(), told(stranger, 2, 50)]).is_clean


def test_nobody_counts_on_an_address_that_is_refused_but_it_may_be_told(journal: OpeningJournal) -> None:
    refused = (Channel.EMAIL, named("gaston").addresses[Channel.EMAIL])
    assert books(journal, everybody()).is_clean
    assert books(journal, [*everybody(), told(refused, 2, 50)]).is_clean


def test_what_nobody_waits_for_excuses_no_late_message(journal: OpeningJournal) -> None:
    journal.spells.append(Spell("store-of-proofs-hangs", at(5), at(50), harmless=True))
    journal.kills.append(Kill("proofs", 1, at(50)))
    assert len(books(journal, everybody(60)).late) == len(entitled(DESK))
    journal.kills.append(Kill("planner", 1, at(50)))
    assert books(journal, everybody(60)).late == []


def out(kind: OutageKind, began: float, ended: float, channel: Channel = Channel.EMAIL) -> Spell:
    silences = channel.value if kind is OutageKind.SILENT else None
    return Spell(
        "cut-off-provider", at(began), at(ended), silences=silences, outage=ProviderOutage(channel, kind)
    )


@pytest.mark.parametrize(("seconds", "late"), [(85, False), (100, False), (116, True)])
def test_what_waited_for_its_provider_comes_within_75_s_of_the_recovery(
    journal: OpeningJournal, seconds: float, late: bool
) -> None:
    journal.spells.append(out(OutageKind.BROKEN, 0, 40))
    others = [each for each in everybody(60) if each.message.address != ANA[1]]
    account = books(journal, [*others, told(ANA, seconds, 50)], seconds=200)
    assert [due for due, _ in account.after_outage] == ([((DESK, SLOT), ANA)] if late else [])
    assert account.is_clean is not late


def test_after_an_outage_that_hung_a_third_of_its_length_is_given(journal: OpeningJournal) -> None:
    journal.spells.append(out(OutageKind.HANGING, 0, 300))
    others = [each for each in everybody(310) if each.message.address != ANA[1]]
    assert books(journal, [*others, told(ANA, 410, 50)], seconds=500).is_clean
    assert books(journal, [*others, told(ANA, 420, 50)], seconds=500).after_outage
    assert books(journal, others, seconds=410).expected == 8
    assert books(journal, others, seconds=420).lost == [((DESK, SLOT), ANA)]


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.EMAIL])
@pytest.mark.parametrize("deaths", [1, 2])
def test_only_an_sms_whose_workers_died_twice_has_longer(
    channel: Channel, deaths: int, journal: OpeningJournal
) -> None:
    journal.kills += [Kill("worker", number, at(number)) for number in range(1, deaths + 1)]
    late = [each for each in sorted(entitled(DESK)) if each[0] is channel]
    others = [each for each in everybody(3) if each.message.channel is not channel]
    several = [*others, *(told(reached, 65, 50 + number) for number, reached in enumerate(late))]
    excused = channel is Channel.SMS and deaths == 2
    assert bool(books(journal, several).late) is not excused
    assert bool(books(journal, others, seconds=60).lost) is not excused


def test_an_outage_gives_other_channels_no_time(journal: OpeningJournal) -> None:
    journal.spells.append(out(OutageKind.BROKEN, 0, 40, Channel.SMS))
    lost = books(journal, [], seconds=90).lost
    assert {channel for _, (channel, _) in lost} == {Channel.EMAIL, Channel.TELEGRAM}


@pytest.mark.parametrize(("channel", "most"), [(Channel.EMAIL, 5), (Channel.SMS, 4)])
def test_a_provider_that_accepts_in_silence_leaves_room_for_so_many_copies(
    journal: OpeningJournal, channel: Channel, most: int
) -> None:
    journal.spells.append(out(OutageKind.SILENT, 0, 40, channel))
    ana = (channel, named("ana").addresses[channel])
    others = [each for each in everybody() if each.message.address != ana[1]]
    copies = [told(ana, number, 50 + number) for number in range(most)]
    account = books(journal, [*others, *copies])
    assert (account.doubled, len(account.doubled_allowed)) == ([], most - 1)
    assert books(journal, [*others, *copies, told(ana, 30, 90)]).doubled == [((DESK, SLOT), ana)]


def test_another_notification_is_allowed_where_the_clock_was_off_between(journal: OpeningJournal) -> None:
    journal.spells.append(Spell("step-clock", at(2), at(8), clock_offset=timedelta(days=1)))
    assert books(journal, [*everybody(), told(ANA, 5, 50, "another")]).doubled_allowed
    assert books(journal, [*everybody(), told(ANA, 9, 50, "another")]).doubled_allowed
    journal.spells[0].began_at = at(6)
    assert books(journal, [*everybody(), told(ANA, 5, 50, "another")]).doubled
