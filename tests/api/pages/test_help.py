"""The guide, and requests to support: written by a page, answered or ended by an operator."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from api.ground.translations import LANGUAGES
from api.models.notification import Notification
from api.models.support import SupportRequest
from api.models.user import Role
from tests.api.pages.admin.conftest import act, audit
from tests.clients import Browser, seat_operator
from tests.factories import EMAIL, add_account, add_support_request, one, rows, save
from tests.in_turn import in_turn

LIST = "/admin/demandes"


@in_turn("language", LANGUAGES)
def test_each_link_to_a_question_of_the_guide_finds_it(browse: Callable[..., Browser], language: str) -> None:
    guide = browse(language).get("/aide")
    places = {f"#{name}" for name in guide.ids}
    for path in ("/departements/bobigny_93/titre-sejour", "/confirm", "/nothing"):
        linked = re.findall(r'href="/aide[^"#]*(#[^"]+)?"', browse(language).get(path).html)
        assert linked, path
        assert {each for each in linked if each} <= places


def test_a_stranger_writes_by_the_page_and_reads_the_number(visitor: Browser) -> None:
    visitor.get("/aide/ecrire")
    assert "Écrivez votre question" in visitor.send("/aide/ecrire", email=EMAIL).text
    visitor.send("/aide/ecrire", email=EMAIL, message="Rien ne vient.")
    assert f"sous le numéro {one(SupportRequest).id}" in visitor.follow().text
    assert (one(SupportRequest).email, one(SupportRequest).language) == (EMAIL, "fr")


def test_an_account_is_not_asked_for_its_address_and_writes_five_times_a_day(camille: Browser) -> None:
    camille.get("/aide/ecrire")
    assert EMAIL in camille.follow().text
    for _ in range(5):
        camille.get("/aide/message")
        camille.send("/aide/message", message="Bonjour", email="other@example.org")
        assert camille.status == 303
    assert {(each.email, bool(each.user_id)) for each in rows(SupportRequest)} == {(EMAIL, True)}
    camille.get("/aide/message")
    camille.send("/aide/message", message="Bonjour")
    assert camille.status == 429


def test_a_line_end_counts_as_one_character_as_in_the_browser(camille: Browser) -> None:
    camille.get("/aide/message")
    camille.send("/aide/message", message="a\r\n" + "b" * 4998)
    assert camille.status == 303
    assert len(one(SupportRequest).message) == 5000


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPPORT])
def test_an_operator_answers_and_the_person_gets_the_answer_by_mail(app: Flask, role: Role) -> None:
    number = add_support_request(add_account().id, language="en")
    operator = seat_operator(app, role)
    assert operator.get(f"{LIST}?open=true").rows[0][0] == f"n° {number}"
    assert "Écrivez la réponse" in act(operator, f"{LIST}/{number}/reponse", answer=" ")
    assert "La réponse est en route" in act(
        operator, f"{LIST}/{number}/reponse", answer="First line.\nSecond <b>."
    )
    assert operator.get(f"{LIST}?open=true").rows == []
    assert "Second <b>." in operator.get(f"{LIST}/{number}").text
    assert "déjà traitée" in operator.get(f"{LIST}/{number}/reponse", follow_redirects=True).text
    assert len(audit("support.answer", subject_id=number)) == 1
    (mail,) = rows(Notification, Notification.kind == "support_answered")
    assert (mail.address, mail.language) == (None, "en")


def test_the_answer_to_a_stranger_goes_to_the_address(app: Flask) -> None:
    admin = seat_operator(app)
    number = save(SupportRequest(email="robin@example.org", message="Bonjour")).id
    act(admin, f"{LIST}/{number}/reponse", answer="Voici.")
    mail = one(Notification, Notification.kind == "support_answered")
    assert (mail.address, mail.language) == ("robin@example.org", "fr")


def test_an_operator_ends_a_request_that_needs_no_answer(app: Flask) -> None:
    admin = seat_operator(app)
    number = add_support_request(add_account().id)
    assert "close" in act(admin, f"{LIST}/{number}/fin")
    assert [row[0] for row in admin.get(f"{LIST}?open=false").rows] == [f"n° {number}"]
    assert rows(Notification) == []
