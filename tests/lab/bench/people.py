"""Many people who wait, written in a few statements: users, e-mail addresses, plans, alerts and what they are about."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not named here
from api.models.base import new_id
from api.models.desk import DeskState
from api.models.slot import Detection, DetectionSlot, SlotRow
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.encryption import encrypt

# `:prefix` keeps several crowds apart; ids are made from it and a number, so that each table finds the others. They
# grow with the number, as the product's do with time.
_ID = "(substr(md5(:prefix||'{0}'),1,16)||lpad(to_hex({1}),16,'0'))::uuid"
_USERS = """
INSERT INTO users (id, email, email_folded)
SELECT {user}, :prefix||n||'@example.org', lower(:prefix)||n||'@example.org' FROM {people}"""
_CONTACTS = """
INSERT INTO contacts (id, user_id, channel, address, verified_at, enabled)
SELECT {contact}, {user}, :channel, coalesce((CAST(:addresses AS text[]))[n], :prefix||n||'@example.org'), now(), true
FROM {people}"""
_GRANTS = """
INSERT INTO grants (id, user_id, plan, starts_at, ends_at, source)
SELECT {grant}, {user}, 'URGENCE_TOTAL', now() - interval '30 days',
       now() + interval '1 day', 'bench'
FROM {people} WHERE n % :per_paying = 0"""
_ALERTS = """
INSERT INTO alerts (id, user_id)
SELECT {alert}, {user} FROM {people}, generate_series(1, :each) k"""
_TARGETS = """
INSERT INTO alert_targets (id, alert_id, prefecture_id, procedure, desk_id)
SELECT {wish}, {alert}, {target}
FROM {people}, generate_series(1, :each) k"""

# Foreign keys hold by the way these are made: checking them row by row took half of the time.
_UNCHECKED = sa.text("SET LOCAL session_replication_role = replica")
_IDS = {
    "user": _ID.format("u", "n"),
    "contact": _ID.format("c", "n"),
    "grant": _ID.format("g", "n"),
    "alert": _ID.format("a", "n * :each + k"),
    "wish": _ID.format("t", "n * :each + k"),
}


@dataclass(frozen=True)
class Crowd:
    """So many people with so many alerts each; one in `per_paying` has a plan. `target` is SQL of a target's columns.

    The columns are prefecture, procedure, desk; `n` is the person's number, `k` the alert's. Each has one contact, by
    e-mail unless phone numbers or chat ids are given.
    """

    prefix: str
    people: int
    target: str
    each: int = 1
    per_paying: int = 1
    channel: Channel = Channel.EMAIL
    addresses: tuple[str, ...] = ()

    def write(self, engine: sa.Engine) -> None:
        """Write them all."""
        values = {
            "prefix": self.prefix, "each": self.each, "per_paying": self.per_paying, "channel": self.channel,
            "addresses": [encrypt(each) for each in self.addresses],
        }  # fmt: skip
        with engine.begin() as connection:
            connection.execute(_UNCHECKED)
            for statement in (_USERS, _CONTACTS, _GRANTS, _ALERTS, _TARGETS):
                people = f"generate_series(1, {self.people}) n"
                text = statement.format(people=people, target=self.target, **_IDS)
                names = {name: value for name, value in values.items() if f":{name}" in text}
                connection.execute(sa.text(text), names)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM (ANALYZE)"))  # as autovacuum does after so many rows


def detection(engine: sa.Engine, desk_id: str, prefecture_id: str, procedure: str) -> tuple[UUID, datetime]:
    """Write a detection of one new slot as the crawler does; return its id and when it was committed."""
    now, key = clock(), new_id()
    with Session(engine) as session, session.begin():
        if session.get(DeskState, desk_id) is None:
            session.add(DeskState(id=desk_id))
            session.flush()
        slot = SlotRow(
            desk_id=desk_id, place_key=uuid4().hex, moment="2027-03-01", url="https://x.example/", opened_at=now,
            seen_at=now,
        )  # fmt: skip
        session.add_all([slot, Detection(
            id=key, desk_id=desk_id, prefecture_id=prefecture_id, procedures=[procedure], label="Bench",
            booking_url="https://x.example/", seen_at=now, committed_at=now,
        )])  # fmt: skip
        session.flush()
        session.add(DetectionSlot(detection_id=key, slot_id=slot.id))
    return key, now
