"""Faults of receipts and of the choice of providers: what they bend is straight afterwards, and they measure."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from api.models.base import engine, session
from api.models.notification import Notification
from api.models.user import Channel, Contact
from configs.clock import clock
from deploy.chaos.faults import Field, providers, receipts
from deploy.chaos.journal import Spell
from deploy.chaos.sandbox_control import RECEIPT_PROVIDERS, SandboxControl
from deploy.chaos.subscribers import PEOPLE, Reached, settle_in
from tests.notifier.world import alert, change, detection, get, matched, person

HUGO = next(each for each in PEOPLE if each.by_sms)


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the modes of receipts in their order; they are really set."""
    seen = list[str]()
    really = SandboxControl._receipt_mode

    def note(outside: SandboxControl, mode: str, **parameters: Any) -> None:
        seen.append(mode)
        really(outside, mode, **parameters)

    monkeypatch.setattr(SandboxControl, "_receipt_mode", note)
    return seen


ACTS = {
    "late": receipts.receipts_come_late,
    "repeated": receipts.receipts_are_repeated,
    "lost": receipts.receipts_are_lost,
}


@pytest.mark.parametrize("mode", ACTS)
def test_receipts_are_as_usual_after_each_fault(
    mode: str, field: Field, modes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.chaos.faults.receipts.time.sleep", lambda _: None)
    spell = Spell("receipts", clock())
    ACTS[mode](field, spell)
    assert (modes, spell.loses_receipts) == ([mode, "delivered"], mode == "lost")
    assert len(field.journal.openings) == 1
    assert RECEIPT_PROVIDERS == ("sendgrid", "twilio", "twilio_calls")


def is_on(channel: Channel) -> bool:
    with session() as s:
        found = s.scalars(sa.select(Contact).where(Contact.channel == channel))
        return next(each for each in found if each.address == HUGO.addresses[channel]).enabled


def test_an_sms_without_a_receipt_is_told_by_telegram_which_is_off_before_and_after(
    field: Field, modes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_in(field.desks, clock())
    told = list[tuple[bool, str]]()
    by_sms = Channel.SMS, HUGO.addresses[Channel.SMS]

    def reached_by(_: Field, _opening: object) -> set[Reached]:
        told.append((is_on(Channel.TELEGRAM), modes[-1]))
        return {by_sms}

    def count(_engine: object, _contact_id: object) -> int:
        told.append((is_on(Channel.TELEGRAM), modes[-1]))
        return len(told)

    monkeypatch.setattr(Field, "reached_by", reached_by)
    monkeypatch.setattr(receipts, "count_fallbacks", count)
    receipts.sms_has_no_receipt(field, spell := Spell("sms-has-no-receipt", clock()))
    assert told == [(False, "lost"), (True, "lost"), (True, "lost")]
    assert (is_on(Channel.TELEGRAM), modes[-1], spell.loses_receipts) == (False, "delivered", True)
    assert 0 <= field.journal.figures[receipts.TOLD_ELSEWHERE] < receipts.LONGEST_FALLBACK


def test_mail_leaves_by_the_second_provider_while_the_first_is_away_and_returns(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = list[str]()

    @contextmanager
    def provider_in(_: SandboxControl, name: str, _mode: str, **_parameters: Any) -> Iterator[None]:
        used.append("smtp")
        yield
        used.append(name)

    def messages() -> list[Any]:
        opened = len(field.journal.openings)
        return [SimpleNamespace(provider=used[-1])] * opened

    monkeypatch.setattr(SandboxControl, "provider_in", provider_in)
    monkeypatch.setattr(field.inbox, "messages", messages, raising=False)
    providers.mail_changes_its_provider_and_returns(field, spell := Spell("mail", clock()))
    assert spell.silences == "email"
    assert len(field.journal.openings) == 2
    assert field.journal.figures[providers.TAKEN_OVER] < providers.LONGEST_SWITCH
    assert field.journal.figures[providers.RETURNED] < providers.LONGEST_RETURN


@pytest.mark.usefixtures("database", "redis_server")
def test_only_an_accepted_fallback_counts() -> None:
    who = person(channels=(Channel.SMS, Channel.TELEGRAM))
    alert(who)
    key = next(each for each in matched(detection()) if get(Notification, each).channel is Channel.TELEGRAM)
    contact_id = who.contacts[Channel.TELEGRAM]
    change(Notification, key, accepted_at=clock())
    assert receipts.count_fallbacks(engine(), contact_id) == 0
    change(Notification, key, dedupe_key=f"fallback:{key}")
    assert receipts.count_fallbacks(engine(), contact_id) == 1
