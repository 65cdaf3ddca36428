"""Operators' page of answers: figures by desk, and reports of pages that showed nothing."""

from datetime import timedelta
from uuid import UUID

from api.figures.answers import find_first_month
from api.models.answer import AnswerValue
from configs.ground.clock import clock
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


def test_nothing_to_show_is_said(admin: Browser) -> None:
    page = admin.get(PAGE)
    assert "Personne n’a signalé de page vide." in page.text
    assert "Aucune réponse n’est comptée dans ce temps." in page.text
