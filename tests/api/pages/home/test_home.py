import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine

from configs.ground.clock import clock
from tests.clients import Browser
from tests.factories import add_desk


def test_the_first_page_says_what_the_service_is_not_and_leads_to_the_advice(visitor: Browser) -> None:
    page = visitor.get("/")
    for said in ("service privé", "Le rendez-vous est gratuit", "captcha", "4,99"):
        assert said in page.text
    (form,) = page.forms
    assert form["attributes"] == {"class": "wish card", "method": "get", "action": "/departements"}
    assert "93 · Seine-Saint-Denis" in page.text
    assert visitor.response.headers["Cache-Control"] == "public, max-age=60"
    assert len(visitor.response.data) < 20_000


@pytest.mark.parametrize(
    ("language", "none", "some"),
    [
        (
            "fr",
            "Aucun guichet n’a été vérifié",
            "24 heures : 2. Départements : 2. Démarches : Titre de séjour.",
        ),
        ("en", "No desk has been checked", "24 hours: 2. Departments: 2. Procedures: Residence permit."),
        ("ar", "لم يتم التحقق من أي شباك", "24 ساعة: 2. المقاطعات: 2. الإجراءات: "),
    ],
)
def test_it_tells_how_many_desks_were_proven_within_a_day(
    visitor: Browser, frozen: time_machine.Traveller, language: str, none: str, some: str
) -> None:
    page = visitor.get(f"/?lang={language}")
    assert none in page.text
    add_desk(last_proven_at=clock())
    add_desk("melun_77/titre-sejour", last_proven_at=clock() - timedelta(hours=23))
    frozen.shift(timedelta(minutes=2))
    page = visitor.get(f"/?lang={language}")
    assert some in page.text.replace("\u00a0", " ")
    (description,) = re.findall(r'name="description" content="([^"]+)"', page.html)
    assert some in description.replace("\u00a0", " "), "search engines read the same"


def test_it_needs_no_database(visitor: Browser, settings_env: Callable[..., None]) -> None:
    settings_env(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    page = visitor.get("/")
    assert visitor.status == 200
    assert "24 heures" not in page.text


@pytest.mark.parametrize("language", ["en", "ar"])
def test_its_form_keeps_the_language_of_the_link(browse: Callable[..., Browser], language: str) -> None:
    visitor = browse()
    assert visitor.get(f"/?lang={language}").forms[0]["fields"]["lang"] == [language]
    answer = visitor.client.get(f"/departements?lang={language}&place=93&procedure=visa")
    assert answer.headers["Location"] == f"/departements/bobigny_93/visa?lang={language}"
