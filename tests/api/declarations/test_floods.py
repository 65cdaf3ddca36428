"""Floods of the two forms that need no login: the limits hold, rows and mails stay few, and alerts go first."""

from collections import Counter

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.declaration import Declaration, DeclarationKind
from api.models.notification import Notification, Priority
from tests.api.billing.till import Till
from tests.api.declarations.notices import FORM, TOTAL
from tests.api.declarations.orders import buy
from tests.factories import rows

POSTS, NETWORKS, ADDRESSES = 10_000, 50, 400
AN_HOUR = 20  # declarations of one network address
OWN = "camille@example.org"


@pytest.mark.journey
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("path", "field", "kind"),
    [
        (FORM, "reference", DeclarationKind.CANCELLATION),
        ("/l/retractation", "order", DeclarationKind.WITHDRAWAL),
    ],
)
def test_ten_thousand_declarations_stay_few_rows_and_mails(
    till: Till, path: str, field: str, kind: DeclarationKind
) -> None:
    number, texts = str(buy(till, TOTAL).order_number), dict[tuple[int, bool], set[str]]()
    before, answers = len(rows(Notification)), Counter[int]()
    for turn in range(POSTS):
        known = turn % 7 == 0
        email = OWN if turn % 5 == 0 else f"s{turn % ADDRESSES}@example.org"
        data = {"name": "X", "email": email, field: number if known else "22222AAAAA", "wished": "2026-11-25"}
        where = {"REMOTE_ADDR": f"192.0.2.{turn % NETWORKS}"}
        answer = till.shop.client.post(path, data=data | {"confirmed": "true"}, environ_overrides=where)
        answers[answer.status_code] += 1
        if answer.status_code == 200:
            texts.setdefault((200, known and email == OWN), set()).add(answer.text.replace(email, "ADDRESS"))
    assert set(answers) == {200, 429}
    assert texts[200, True] <= texts[200, False], "the same answer for every address and number"
    stored = [each for each in rows(Declaration) if each.kind is kind]
    assert len(stored) == answers[200] <= NETWORKS * AN_HOUR
    assert len(rows(Notification)) - before <= 2 * len(stored) + 3
    with session() as s:
        urgent = sa.select(sa.func.count()).where(
            Notification.kind.in_(["cancel_noticed", "withdrawal_received"]),
            Notification.priority == Priority.CRITICAL,
        )
        assert s.scalar(urgent) == 0, "alerts are claimed before these mails"
