"""Proofs of desks, by what writes the checks of spiders: alerts and orders are about desks that checks prove."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from api.models.alert import Alert
from api.models.base import session
from api.models.desk import DeskState
from configs.ground.clock import clock
from configs.world.desk import Desk, Outcome
from configs.world.prefecture import desk, desks
from crawler.items import CheckItem
from crawler.reading import CoveredWindow
from crawler.recording.check_transaction import record_checks
from tests.factories import add_alert, rows


def prove_desks(*desk_ids: str, outcome: Outcome = Outcome.NO_SLOTS, times: int = 0) -> None:
    """Have checks of now end so: of these desks, or of all whose slots checks can see.

    `times`: so many; otherwise once, and twice where they were checked before, for a desk that was lost comes back so.
    """
    chosen = [desk(each) for each in desk_ids] or [each for each in desks().values() if each.shows_slots]
    with session() as s:
        made = insert(DeskState).values([{"id": each.id} for each in chosen]).on_conflict_do_nothing()
        s.execute(made)
        known = sa.select(DeskState.id, DeskState.last_token).where(
            DeskState.id.in_([each.id for each in chosen])
        )
        tokens = dict(s.execute(known).all())
    for number in range(1, (times or 1 + any(tokens.values())) + 1):
        record_checks([_check(each, tokens[each.id] + number, outcome) for each in chosen])


def make_ready_to_order(user_id: UUID, *, has_alert: bool = False) -> None:
    """Have checks prove all desks; and let a user keep a paused alert, if none is ordered, so that an order needs none."""
    prove_desks()
    if not has_alert and not rows(Alert, Alert.user_id == user_id, Alert.closed_at.is_(None)):
        add_alert(user_id, enabled=False)


def _check(about: Desk, token: int, outcome: Outcome) -> CheckItem:
    now = clock()
    return CheckItem(
        desk_id=about.id, token=token, started_at=now, seen_at=now, milliseconds=100, outcome=outcome, reason="x",
        covered=(CoveredWindow(),) if outcome.conclusive else (), requests=3, error=None, booking_url=about.url,
        process="test:1",
    )  # fmt: skip
