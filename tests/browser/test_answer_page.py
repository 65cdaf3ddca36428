"""The answer to a slot alert, given by the links of its mail in a browser without a sign-in."""

import pytest
from playwright.sync_api import Page

from api.models.alert import Alert, ClosedBecause
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.appointment import Appointment
from configs.ground.signed_links import AnswerAlert, write_token
from tests.browser.arrival import check_arrival
from tests.browser.content import Content, write_content
from tests.browser.contexts import MakeContext, keep_page
from tests.browser.keyboard import check_keyboard
from tests.browser.site import Site
from tests.factories import rows

pytestmark = pytest.mark.xdist_group("browser")


def open_link(page: Page, content: Content, value: str, language: str) -> None:
    page.goto(f"/l/{write_token(AnswerAlert(content.message))}?value={value}")
    check_page(page, f"answer-{value}-{language}", language)


def check_page(page: Page, name: str, language: str) -> None:
    keep_page(page, name)
    check_arrival(page, language)
    check_keyboard(page)


@pytest.mark.journey
@pytest.mark.parametrize(("language", "width", "dark"), [("fr", 1280, False), ("ar", 390, True)])
def test_an_answer_is_given_and_taken_back(
    site: Site, make_context: MakeContext, language: str, width: int, dark: bool
) -> None:
    content = write_content(language)
    page = make_context(site.url, language=language, width=width, dark=dark).new_page()
    open_link(page, content, "found", language)
    page.locator("input[name=day]").fill("2027-01-11")
    page.locator("input[name=hour]").fill("09:30")
    page.locator("main button").click()
    page.get_by_role("status").first.wait_for()
    check_page(page, f"answered-found-{language}", language)
    (found,) = [each for each in rows(Appointment) if each.alert_id == content.alert]
    assert f"{found.at:%Y-%m-%d %H:%M}" == "2027-01-11 08:30"
    alert = next(each for each in rows(Alert) if each.id == content.alert)
    assert alert.closed_because is ClosedBecause.FOUND
    open_link(page, content, "nothing_there", language)
    page.locator("main button").click()
    page.get_by_role("status").first.wait_for()
    by_mail = [each.value for each in rows(MatchAnswer) if each.via is AnswerVia.EMAIL]
    assert by_mail == [AnswerValue.NOTHING_THERE]
    assert content.alert not in {each.alert_id for each in rows(Appointment)}
