"""Recipients of notices about desks: who waits for one of them, is entitled and can be reached, as parts of SQL."""

from collections.abc import Iterable

from api.models.base import write_rows
from configs.world.desk import Desk
from crawler.scheduling.planning import targets_of

# Recipients in one run, which holds a lock; the next runs take the others.
AT_ONCE = 200
# For the user of an alert `a`. Desk notices have templates for these two channels (notifier/templates).
REACHABLE = """EXISTS (SELECT FROM contacts c WHERE c.user_id = a.user_id AND c.enabled AND c.verified_at IS NOT NULL
    AND c.state = 'ok' AND c.channel IN ('email', 'telegram'))"""
# For the user of an alert `a`: a grant covers `:now`.
ENTITLED = """EXISTS (SELECT FROM grants g WHERE g.user_id = a.user_id AND g.starts_at <= :now AND g.ends_at > :now)"""
# The targets that mean one of some desks, with the desk that each means; an index has those without a desk.
MEANT = """json_to_recordset(:targets) AS w(desk text, desk_id text, prefecture_id text, procedure text)
JOIN alert_targets t ON t.desk_id = w.desk_id
  OR (t.desk_id IS NULL AND t.prefecture_id = w.prefecture_id AND t.procedure = w.procedure)"""


def list_targets(affected: Iterable[Desk]) -> str:
    """Return the targets that mean one of these desks, as MEANT takes them."""
    return write_rows(
        {"desk": desk.id, "desk_id": desk_id, "prefecture_id": prefecture_id, "procedure": procedure}
        for desk in affected
        for desk_id, prefecture_id, procedure in targets_of(desk)
    )
