"""Kills at moments that chance hits seldom: between two steps that must not be lost together.

Nothing is built into the programs for this: sites and providers wait, Redis stands still, a row is locked.
"""

import time
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.models.notification import Match, MatchSlot, Notification, NotificationMatch, State
from api.models.slot import Detection, SlotRow
from api.models.user import Channel
from deploy.chaos.faults import Field, fault
from deploy.chaos.faults.servers import frozen
from deploy.chaos.journal import OpenedSlot, Spell
from deploy.chaos.processes import until
from deploy.chaos.sandbox_control import FIRST_PROVIDERS, NORMAL, code_of

_NO_DETECTION = sa.text("LOCK TABLE detection_slots IN SHARE MODE")  # which only spiders write
_WAITING = sa.text(
    "SELECT count(*) FROM pg_locks WHERE relation = 'detection_slots'::regclass AND NOT granted"
)
_LATER = 1.5  # seconds that a provider takes while we prepare the moment


@fault(alone=True, weight=2)
def kill_spider_between_commit_and_nudge(field: Field, _spell: Spell) -> None:
    """The detection is in the table, and who should nudge for it dies: a lock, then Redis hold the spider there."""
    with field.engine.connect() as connection:
        connection.execute(_NO_DETECTION)
        field.outside.open(field.quiet_desk(), field.rng)
        until(lambda: connection.scalar(_WAITING), "a detection is about to be written")
        before = _detections(field)
        with frozen(field.restarter.pids("Redis")):
            connection.rollback()
            until(lambda: _detections(field) > before, "the detection is committed")
            field.victims.kill_all("spider")


@fault(alone=True)
def kill_spider_in_a_check(field: Field, _spell: Spell) -> None:
    """A spider dies while a site keeps it waiting."""
    desk = field.rng.choice(field.desks)
    field.outside.open(desk, field.rng)
    field.outside.site_mode(code_of(desk), "hang_forever", count=1)
    until(lambda: field.outside.site_mode_now(code_of(desk)) == NORMAL, "a check has begun")
    field.victims.kill_all("spider")


@fault(alone=True)
def kill_worker_before_the_answer(field: Field, _spell: Spell) -> None:
    """A worker dies while the provider thinks: nothing was taken, so nothing may come twice."""
    _on_its_way(field, _channel(field), "slow", seconds=_LATER)
    field.victims.kill_all("worker")


@fault(alone=True)
def kill_worker_during_the_answer(field: Field, spell: Spell) -> None:
    """A worker dies when the message was taken and the yes was not yet heard."""
    channel = spell.silences = _channel(field)
    _on_its_way(field, channel, "yes_without_answer")
    time.sleep(0.3)
    field.victims.kill_all("worker")


@fault(alone=True)
def kill_worker_after_the_answer(field: Field, _spell: Spell) -> None:
    """A worker dies when it has heard the yes and not yet written it: the row is locked until then."""
    with field.outside.provider_in(Channel.EMAIL.value, "slow", seconds=_LATER):
        opening = field.outside.open(field.quiet_desk(), field.rng)
        until(lambda: _sending(field, opening), "a mail is on its way")
        row = _sending(field, opening)
        with field.engine.connect() as connection:
            connection.execute(sa.select(Notification.id).where(Notification.id == row).with_for_update())
            until(
                lambda: any(str(row) in each.notifications for each in field.inbox.messages()), "it was taken"
            )
            time.sleep(0.3)
            field.victims.kill_all("worker")
            connection.rollback()


@fault(alone=True, names="database")
def stop_postgres_before_the_answer_is_written(field: Field, _spell: Spell) -> None:
    """A yes is heard while PostgreSQL is away, for longer than a lease: it must be written all the same."""
    _on_its_way(field, _channel(field), "slow", seconds=_LATER)
    with field.restarter.down("PostgreSQL"):
        time.sleep(9)


def _on_its_way(field: Field, channel: str, mode: str, **parameters: Any) -> None:
    """Wait until a message of a new slot has reached a provider that answers one call so."""
    provider = FIRST_PROVIDERS[channel]
    field.outside.provider_mode(provider, mode, count=1, **parameters)
    field.outside.open(field.quiet_desk(), field.rng)
    until(lambda: field.outside.provider_mode_now(provider) == NORMAL, "a message is on its way")


def _channel(field: Field) -> str:
    return field.rng.choice((Channel.EMAIL.value, Channel.TELEGRAM.value))


def _detections(field: Field) -> int:
    with field.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(Detection)) or 0


def _sending(field: Field, opening: OpenedSlot) -> UUID | None:
    """Return a mail about that desk that a worker is sending just now."""
    query = (
        sa.select(Notification.id)
        .join(NotificationMatch, NotificationMatch.notification_id == Notification.id)
        .join(Match, Match.id == NotificationMatch.match_id)
        .join(MatchSlot, MatchSlot.match_id == Match.id)
        .join(SlotRow, SlotRow.id == MatchSlot.slot_id)
        .where(SlotRow.desk_id == opening.desk_id)
        .where(Notification.state == State.SENDING, Notification.channel == Channel.EMAIL)
    )
    with field.engine.connect() as connection:
        return connection.scalars(query).first()
