"""The product under the model: real tables, the real jobs, two desks of one prefecture, three people."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.models.alert import Alert, AlertTarget
from api.models.base import engine, session
from api.models.user import Channel, Grant, User
from configs.world.desk import Procedure
from configs.world.plan import PlanName
from crawler.items import CheckItem
from crawler.recording.check_transaction import record_checks
from crawler.recording.slot_expiry import close_unproven
from tests.factories import add_alert, add_contact, add_desk, add_grant, change, save
from tests.model.model import Limits, Told
from tests.sample_desk_files import desk_entry, prefecture_file

WITHIN = "evry_91"
DESKS = (f"{WITHIN}/a", f"{WITHIN}/b")
PROCEDURES = {DESKS[0]: {"NATURALISATION", "TITRE_SEJOUR"}, DESKS[1]: {"TITRE_SEJOUR"}}
SITES = {DESKS[1]: "Palaiseau"}
PLANS = {"URGENCE_24H": {"email"}, "URGENCE_TOTAL": {"email", "sms", "telegram"}}
CHANNELS = (Channel.EMAIL, Channel.SMS)
PEOPLE = 2
INTERVALS = {DESKS[0]: timedelta(seconds=60), DESKS[1]: timedelta(seconds=180)}
PAGE, DAY = "http://127.77.0.91:8800/booking/create", date(2026, 11, 20)
FILE = prefecture_file(
    tier=2,
    capital="Évry",
    hosts=[],
    desks=[
        desk_entry("a", f"{PAGE}/1", DAY, label="Guichet A", procedures=sorted(PROCEDURES[DESKS[0]])),
        desk_entry(
            "b",
            f"{PAGE}/2",
            DAY,
            label="Guichet B",
            procedures=sorted(PROCEDURES[DESKS[1]]),
            site="Palaiseau",
        ),
    ],
)
_EMPTY = """
DELETE FROM notifications; DELETE FROM matches;
DELETE FROM detection_slots; DELETE FROM detections; DELETE FROM slots; DELETE FROM checks;
DELETE FROM alert_targets; DELETE FROM alerts; DELETE FROM grants; UPDATE contacts SET enabled = true;
UPDATE desks SET last_token = 0, last_check_at = NULL, last_proven_at = NULL, whole_at = NULL, coverage = NULL,
  inconclusive = 0
"""
# One statement, because a look comes after every step: slots with why they are gone, then what was written of them.
_LOOK = """
SELECT 0, s.id, s.desk_id, s.place_key, s.moment, s.gone_reason, NULL::uuid, NULL::uuid, NULL, NULL::uuid, NULL
FROM slots s
UNION ALL
SELECT 1, NULL, NULL, NULL, NULL, NULL, n.id, n.contact_id, n.state, m.alert_id, told.slot_id
FROM notifications n
LEFT JOIN matches m ON m.announcement_id = n.announcement_id
LEFT JOIN LATERAL (
    SELECT generate_series(lower(span), upper(span) - 1) AS slot_id FROM unnest(m.slots) AS span
) told ON true
ORDER BY 1, 2
"""

Slots = Mapping[int, tuple[Told, str | None]]
Said = tuple[tuple[int, str], frozenset[tuple[int, Told]], str]


class World:
    """The database as the product's own code leaves it."""

    def __init__(self) -> None:
        self.contacts: dict[tuple[int, str], UUID] = {}
        self.people: list[UUID] = []
        # Beside the product's pool: a look costs one statement, without a transaction of its own.
        self._look = engine().execution_options(isolation_level="AUTOCOMMIT").connect()
        for desk, interval in INTERVALS.items():
            add_desk(desk, wished_seconds=interval.total_seconds())
        for number in range(PEOPLE):
            self.people.append(save(User(email=f"{number}@example.org")).id)
            for channel in CHANNELS:
                address = f"{number}@example.org" if channel is Channel.EMAIL else f"{number}"
                self.contacts[number, channel.value] = add_contact(self.people[-1], channel, address).id

    def empty(self) -> None:
        """Forget a history. Rows are few: deleting them takes a tenth of what truncating so many tables takes."""
        self.alerts: list[UUID] = []
        self.detections: list[UUID] = []
        self._look.exec_driver_sql(_EMPTY)

    def check(self, checks: Iterable[tuple[CheckItem, datetime]]) -> list[UUID]:
        """Write a batch of checks, with when their pages were read."""
        found = record_checks([replace(check, seen_at=at) for check, at in checks]).detections
        self.detections += found
        return found

    def lapse(self, now: datetime) -> None:
        with session() as rows:
            close_unproven(rows, now)

    def wait(self, person: int, limits: Iterable[Limits]) -> UUID:
        """Make an alert."""
        made = add_alert(self.people[person], *[_target(each) for each in limits])
        self.alerts.append(made)
        return made

    def limit(self, alert: int, limits: Iterable[Limits]) -> None:
        """Give an alert other limits."""
        with session() as rows:
            changed = rows.get_one(Alert, self.alerts[alert])
            changed.targets = [_target(each) for each in limits]
            changed.limits_version += 1

    def set(self, row: type[Any], key: Any, **values: Any) -> None:
        with session() as rows:
            rows.execute(sa.update(row).where(row.id == key).values(**values))

    def grant(self, person: int, plan: str, start: datetime, end: datetime) -> None:
        add_grant(self.people[person], PlanName(plan), starts_at=start, ends_at=end)

    def end_grants(self, person: int, now: datetime) -> None:
        """End what runs."""
        change(
            Grant,
            Grant.user_id == self.people[person],
            Grant.starts_at < now,
            Grant.ends_at > now,
            ends_at=now,
        )

    def look(self) -> tuple[Slots, dict[UUID, Said]]:
        """Return all slots by id: desk, place, moment, the how-manieth opening, and why they are gone.

        And all messages by id: whom each was written to, of what, and what became of it.
        """
        contacts = {key: name for name, key in self.contacts.items()}
        alerts = {key: number for number, key in enumerate(self.alerts)}
        numbers: dict[tuple[str, str, str], count[int]] = defaultdict(count)
        slots: dict[int, tuple[Told, str | None]] = {}
        heads, of = {}, defaultdict(set)
        for kind, row_id, desk, place, moment, gone, key, contact, state, alert, slot in self._rows():
            if kind == 0:
                slots[row_id] = (desk, place, moment, next(numbers[desk, place, moment])), gone
                continue
            heads[key] = contacts[contact], state
            if slot is not None:
                of[key].add((alerts[alert], slots[slot][0]))
        return slots, {key: (contact, frozenset(of[key]), state) for key, (contact, state) in heads.items()}

    def _rows(self) -> Iterable[Any]:
        return self._look.exec_driver_sql(_LOOK)


def _target(limits: Limits) -> AlertTarget:
    named: dict[str, Any] = {"desk_id": limits.desk}
    if limits.procedure:
        named = {"prefecture_id": WITHIN, "procedure": Procedure(limits.procedure)}
    return AlertTarget(
        **named,
        date_from=limits.first,
        date_to=limits.last,
        weekdays=[limits.weekday] if limits.weekday else None,
        hour_from=limits.hour,
        sites=[limits.site] if limits.site else None,
    )
