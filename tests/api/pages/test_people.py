"""Pages of the people whom an organisation helps: entered, filtered, waited for, in three languages."""

from typing import Any

import pytest
from flask import Flask

from api.models.alert import Alert
from api.models.organisation import Beneficiary, Member, MemberRole
from api.models.user import Contact, User
from tests.clients import Browser
from tests.desk_proofs import prove_desks
from tests.factories import add_account, add_organisation, change, one, rows

PEOPLE = "/organisation/people"


@pytest.fixture
def camille(app: Flask) -> Browser:
    """Sign in the owner of an organisation, in a browser."""
    prove_desks()
    add_organisation(add_account().id)
    return Browser(app).sign_in()


def enter(camille: Browser, **fields: Any) -> str:
    """Enter a person by the form; return the address of the person's page."""
    camille.get(PEOPLE)
    camille.send(f"{PEOPLE}/inscrire", **{"label": "Madame K.", "language": "ar", **fields})
    return f"{PEOPLE}/{rows(Beneficiary)[-1].user_id}"


def test_a_member_enters_a_person_who_waits_and_is_found(camille: Browser) -> None:
    person = enter(camille, email="fatou@example.org")
    page = camille.get(person)
    assert "#1" in page.html
    camille.send(f"{person}/wait", prefectureId="bobigny_93", procedure="TITRE_SEJOUR")
    assert one(Alert).enabled
    listed = camille.get(f"{PEOPLE}?state=waiting&text=madame")
    assert "Madame K." in listed.html
    assert "Madame K." not in camille.get(f"{PEOPLE}?state=found").html
    camille.get(person)
    camille.send(f"{person}/found")
    assert "Madame K." in camille.get(f"{PEOPLE}?state=found").html


def test_a_form_that_is_sent_twice_enters_one_person(camille: Browser) -> None:
    for _ in range(2):
        enter(camille, email="fatou@example.org")
    assert len(rows(Beneficiary)) == 1
    enter(camille, email="nadia@example.org")
    assert len(rows(Beneficiary)) == 2


def test_an_emptied_field_takes_a_contact_away(camille: Browser) -> None:
    person = enter(camille, email="fatou@example.org")
    camille.get(person)
    camille.send(f"{person}/change", email="", label="Nadia", language="en", told="both")
    assert rows(Contact, Contact.address == "fatou@example.org") == []
    assert (one(Beneficiary).label, one(User, User.id == one(Beneficiary).user_id).language) == (
        "Nadia",
        "en",
    )


def test_a_persons_yes_is_asked_once_and_a_paused_alert_goes_on(camille: Browser) -> None:
    person = enter(camille, email="fatou@example.org")
    assert "Demander son accord" in camille.get(person).text
    camille.send(f"{person}/invite")
    assert "Demander son accord" not in camille.get(person).text
    camille.send(f"{person}/wait", prefectureId="bobigny_93", procedure="TITRE_SEJOUR")
    camille.get(person)
    camille.send(f"{person}/pause")
    assert (one(Alert).enabled, "Reprendre" in camille.get(person).text) == (False, True)
    camille.send(f"{person}/resume")
    assert (one(Alert).enabled, "Reprendre" in camille.get(person).text) == (True, False)


def test_a_viewer_sees_no_form(camille: Browser) -> None:
    person = enter(camille)
    change(Member, role=MemberRole.VIEWER)
    for each in (PEOPLE, person):
        camille.get(each)
        with pytest.raises(ValueError, match="unpack"):
            camille.send(f"{each}/")


@pytest.mark.parametrize("language", ["fr", "en", "ar"])
def test_the_pages_speak_three_languages(camille: Browser, language: str) -> None:
    person = enter(camille, phone="06 12 34 56 78")
    for each in (PEOPLE, person):
        assert f'lang="{language}"' in camille.get(f"{each}?lang={language}").html
