from collections.abc import Callable

import pytest

from tests.api.pages.browser import Browser


def test_the_first_page_says_what_the_service_is_not_and_leads_to_the_advice(visitor: Browser) -> None:
    page = visitor.get("/")
    for said in ("service privé", "Le rendez-vous est gratuit", "captcha", "4,99"):
        assert said in page.text
    (form,) = page.forms
    assert form["attributes"] == {"class": "wish card", "method": "get", "action": "/departements"}
    assert "93 · Seine-Saint-Denis" in page.text
    assert visitor.response.headers["Cache-Control"] == "public, max-age=60"
    assert len(visitor.response.data) < 20_000


@pytest.mark.parametrize("language", ["en", "ar"])
def test_its_form_keeps_the_language_of_the_link(browse: Callable[..., Browser], language: str) -> None:
    visitor = browse()
    assert visitor.get(f"/?lang={language}").forms[0]["fields"]["lang"] == [language]
    answer = visitor.client.get(f"/departements?lang={language}&place=93&procedure=visa")
    assert answer.headers["Location"] == f"/departements/bobigny_93/visa?lang={language}"
