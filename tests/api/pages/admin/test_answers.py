"""Operators' page of answers: figures by desk, and reports of pages that showed nothing."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from api.figures.answers import find_first_month
from api.models.answer import AnswerValue
from api.models.base import session
from configs.ground.clock import clock
from tests.api.world import statements
from tests.clients import Browser
from tests.factories import EMAIL, add_account, add_alert, add_answer, add_answers, add_match, see

PAGE = "/admin/reponses"


def report(user_id: UUID, minutes: float = 0, value: AnswerValue = AnswerValue.NOTHING_THERE) -> UUID:
    """Write an answer to a detection of its own; return the detection's id."""
    detection, slots = see("2099-01-05")
    made = add_match(add_alert(user_id), detection, slots)
    add_answer(made, value, clock() - timedelta(minutes=minutes))
    return detection


def count_answers(desk_id: str, nothing_there: int, months_ago: int = 0, alerts: int = 9) -> None:
    month = find_first_month(months_ago + 1)
    add_answers(desk_id, month, alerts=alerts, found=1, too_late=2, nothing_there=nothing_there)


def test_reports_are_listed_without_saying_whose_they_are(support: Browser) -> None:
    user = add_account()
    detection = report(user.id)
    report(user.id, value=AnswerValue.FOUND)
    page = support.get(PAGE)
    assert page.html.count("/admin/detections/") == 1
    assert f"/admin/detections/{detection}" in page.html
    assert "encore ouverts chez nous" in page.text
    assert EMAIL not in page.html
    assert str(user.id) not in page.html


def test_desks_with_false_alarms_come_first_and_their_months_are_added_up(support: Browser) -> None:
    count_answers("a/quiet", 0, alerts=900)
    count_answers("b/loud", 2)
    count_answers("b/loud", 3, months_ago=1)
    count_answers("b/loud", 70, months_ago=5)
    page = support.get(f"{PAGE}?months=2")
    assert page.text.index("b/loud") < page.text.index("a/quiet")
    assert "<strong>5</strong>" in page.html
    assert "<strong>75</strong>" in support.get(f"{PAGE}?months=12").html
    assert "Ce mois-ci, " in support.get(f"{PAGE}?months=1").text
    for query in ("months=0", "months=13", "months=x", "before=x"):
        assert support.get(f"{PAGE}?{query}").title.startswith("Erreur"), query


def test_ten_thousand_reports_and_many_desks_have_pages(admin: Browser) -> None:
    detection = report(add_account().id)
    with session() as s:
        s.execute(
            sa.text("""
            WITH made AS (
              INSERT INTO matches (id, alert_id, detection_id, limits_version, decided_at, announcement_id, slots)
              SELECT gen_random_uuid(), alert_id, detection_id, 1 + n, decided_at, announcement_id, slots
              FROM matches, generate_series(1, 9999) n RETURNING id
            ) INSERT INTO answers (match_id, value, answered_at, via)
              SELECT id, 'nothing_there', now() - interval '1 hour', 'email' FROM made""")
        )
        s.execute(
            sa.text("""
            INSERT INTO check_days (desk_id, day, checks, proven, outcomes, openings, alerts, nothing_there, updated_at)
            SELECT 'x/' || n, :day, 0, 0, '{}', 0, 1, 1, now() FROM generate_series(1, 500) n"""),
            {"day": find_first_month(1)},
        )
    seen: set[str] = set()
    page = admin.get(PAGE)
    assert "100 guichets de 500" in page.text
    assert str(detection) in page.html
    for _ in range(3):
        shown = {text.partition("<")[0] for text in page.html.split('<span class="hidden"> ')[1:51]}
        assert len(shown) == 50
        assert not shown & seen
        seen |= shown
        (following,) = (at["href"] for _, at in page.tags if at.get("rel") == "next")
        page = admin.get(following)
    assert statements(lambda: admin.get(PAGE)) < 12


def test_nothing_to_show_is_said(admin: Browser) -> None:
    page = admin.get(PAGE)
    assert "Personne n’a signalé de page vide." in page.text
    assert "Aucune réponse n’est comptée dans ce temps." in page.text


def test_for_a_user_no_page_is_there(camille: Browser) -> None:
    camille.get(PAGE)
    assert camille.status == 404
