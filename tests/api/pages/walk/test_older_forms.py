"""Two pages of one form, a laptop's and a phone's: the older one undoes nothing that the newer one saved."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from lxml import etree

from api.models.alert import Alert
from configs.world.plan import PlanName
from tests.api.pages.walk.addresses import fill_address, list_addresses, list_operator_addresses
from tests.api.pages.walk.population import Population
from tests.api.payments.organisations.house import write_prices
from tests.clients import Browser, Page
from tests.desk_proofs import prove_desks
from tests.factories import add_account, add_beneficiary, add_grant, add_organisation, one, rows
from tests.in_turn import in_turn

Fields = dict[str, Any]
# The page, what its action ends with, what the newer page changes, what the older one does, and a field of both with
# the values that they give it.
Case = tuple[str, str, Fields, Fields, tuple[str, str, str]]
FORMS: tuple[Case, ...] = (
    ("/alertes/{alert}/modifier", "/modifier", {"limits.hourFrom": "14:00", "limits.hourTo": "17:00"},
     {"language": "en"}, ("name", "Maman", "Papa et maman")),
    ("/alertes/{alert}/modifier", "/modifier", {"limits.weekdays[]": ["1", "2"]}, {"limits.hourFrom": "08:00"},
     ("limits.dateTo", "2027-03-01", "2027-04-01")),
    ("/preferences", "/preferences", {"summary.email": "true", "digestAt": "06:30"}, {"toldInDoubt": "true"},
     ("callsFrom", "09:00", "10:00")),
    ("/preferences", "/preferences", {"isQuiet": "true", "quietFrom": "21:00"}, {"callsUntil": "20:00"},
     ("slotRhythm", "hourly", "daily")),
    ("/profil", "/profil/reglages", {"timeZone": "Indian/Mayotte"}, {"outageCredit": "refund"},
     ("timeZone", "Europe/London", "Indian/Reunion")),
    ("/organisation", "/organisation/reglages", {"address": "2 rue Neuve, 93000 Bobigny"},
     {"vatNumber": "FR40303265045"}, ("address", "3 rue Neuve", "4 rue Neuve")),
    ("/organisation", "/organisation/heures", {"toldFrom": "09:00", "toldUntil": "17:00"}, {},
     ("toldFrom", "08:00", "07:00")),
    ("/organisation/argent", "/organisation/argent", {"mostWatched": "7"}, {"purchaseOrder": "BC 12"},
     ("mostWatched", "5", "9")),
    ("/organisation/people/{helped}", "/change", {"label": "Madame N."}, {"language": "ar"},
     ("label", "Madame O.", "Madame P.")),
)  # fmt: skip
NAMES = {  # of values, in the words of their choices
    "hourly": "Une fois par heure", "daily": "Une fois par jour", "Europe/London": "Royaume-Uni",
    "Indian/Reunion": "La Réunion",
}  # fmt: skip


def as_sent(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.fixture
def seat(app: Flask, settings_env: Callable[..., None], tmp_path: Path) -> tuple[Browser, dict[str, str]]:
    """A browser of an owner of an organisation who has an alert, and ids for addresses."""
    settings_env(PLANS_FILE=write_prices(tmp_path, "organisations: [{since: 2026-11-01, day_cents: 2400}]"))
    prove_desks()
    owner = add_account().id
    add_grant(owner, PlanName.URGENCE_TOTAL)
    helped = add_beneficiary(add_organisation(owner).id)
    browser = Browser(app).sign_in()
    browser.get("/alertes/nouvelle?prefecture=bobigny_93&procedure=TITRE_SEJOUR")
    browser.send(
        "/alertes/nouvelle", **{"name": "Fils", "limits.hourFrom": "09:00", "limits.hourTo": "12:30"}
    )
    return browser, {"alert": str(one(Alert).id), "helped": str(helped)}


def find_form(page: Page, action: str) -> dict[str, Any]:
    (form,) = (each for each in page.forms if each["attributes"]["action"].endswith(action))
    return form


def press(browser: Browser, form: dict[str, Any], fields: Fields) -> int:
    url = form["attributes"]["action"]
    browser.post(url, form["fields"] | fields)
    return browser.status


@in_turn("case", FORMS)
def test_an_older_form_writes_what_was_changed_in_it_alone(
    seat: tuple[Browser, dict[str, str]], case: Case
) -> None:
    (browser, ids), (url, action, newer, older, _both) = seat, case
    laptop, phone = (find_form(browser.get(url.format(**ids)), action) for _ in range(2))
    assert press(browser, phone, newer) == 303
    assert press(browser, laptop, older) == 303
    kept = find_form(browser.get(url.format(**ids)), action)["fields"]
    for name, value in (newer | older).items():
        assert kept[name] == as_sent(value), (url, name)


@in_turn("case", FORMS)
def test_where_both_changed_a_field_the_later_form_is_refused_once_with_both_values(
    seat: tuple[Browser, dict[str, str]], case: Case
) -> None:
    (browser, ids), (url, action, _newer, older, both) = seat, case
    name, first, second = both
    laptop, phone = (find_form(browser.get(url.format(**ids)), action) for _ in range(2))
    assert (
        press(browser, phone, {name: first} | ({"toldUntil": "18:00"} if name == "toldFrom" else {})) == 303
    )
    assert press(browser, laptop, {name: second} | older) == 422
    error = browser.page.html.partition(f'id="f-{name.replace(".", "-")}-error">')[2].partition("</p>")[0]
    assert error.startswith("Ceci a changé pendant que vous écriviez.")
    again = find_form(browser.page, action)
    assert again["fields"][name] == [second], "what was typed is kept"
    for value in (first, second):
        assert NAMES.get(value, value) in error
    assert press(browser, again, {}) == 303
    kept = find_form(browser.get(url.format(**ids)), action)["fields"]
    assert kept[name] == [second]
    for other, value in older.items():
        assert kept[other] == as_sent(value)


@pytest.mark.parametrize("sent", ["", "{", "[]", '{"name": 7}', '{"name": ["x"]' + " " * 30_000 + "}"])
def test_a_form_without_what_it_was_made_from_writes_what_it_holds(
    seat: tuple[Browser, dict[str, str]], sent: str
) -> None:
    browser, ids = seat
    form = browser.get(f"/alertes/{ids['alert']}/modifier").find_form("/modifier")
    assert press(browser, form, {"madeFrom": sent, "name": "Grand-mère"}) == 303
    assert rows(Alert)[0].name == "Grand-mère"


def test_a_value_that_is_not_valid_has_its_own_error(seat: tuple[Browser, dict[str, str]]) -> None:
    browser, ids = seat
    edit = f"/alertes/{ids['alert']}/modifier"
    laptop, phone = (find_form(browser.get(edit), "/modifier") for _ in range(2))
    assert press(browser, phone, {"limits.weekdays[]": ["1"]}) == 303
    assert press(browser, laptop, {"limits.weekdays[]": ["9" * 50]}) == 422
    assert "Écrivez un nombre entier." in browser.page.text


STORED = (
    ".//input[@value and (@type='text' or @type='time' or @type='date' or @type='tel' or @type='email')]"
    " | .//option[@selected] | .//input[@checked] | .//textarea[text()]"
)
# Forms of what is not stored yet: a proposal stands in them.
FRESH = {
    "/alertes/nouvelle", "/canaux/navigateurs", "/organisation/people/inscrire", "/securite/mot-de-passe",
    "/l/answer", "/l/reminder",  # of a message's link: the answer, and one setting as a whole
}  # fmt: skip


def test_each_form_with_stored_values_says_what_it_was_made_from(population: Population) -> None:
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for role, addresses in (("anna", list_addresses), ("admin", list_operator_addresses)):
        browser = population.browse(role)
        for address in addresses(population.app).values():
            try:
                url = fill_address(address, population.ids)
            except KeyError:  # of what no walk of people has
                continue
            html = browser.client.get(url, headers=browser.headers).text
            root = etree.HTML(html) if "<form" in html else etree.HTML("<p>")
            for form in root.xpath("//form[@method='post']"):
                if form.xpath(STORED):
                    names = {each.attrib.get("name") for each in form.iter("input")}
                    place = re.sub(r"[0-9a-f-]{36}", "…", form.attrib["action"] or url.partition(".")[0])
                    found[bool(names & {"madeFrom", "version"})].add(place)
    assert found[False] <= FRESH, found[False] - FRESH
    assert len(found[True]) >= 6, found[True]
