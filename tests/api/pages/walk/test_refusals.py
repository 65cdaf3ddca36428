"""Each refusal of a form is said beside its field, and changes nothing; no user acts on another's rows by a form."""

import re

import pytest

from tests.api.pages.walk.addresses import FORMS, fill_address
from tests.api.pages.walk.population import Population
from tests.api.pages.walk.tables import read_digests
from tests.api.pages.walk.test_forms import find_token
from tests.factories import EMAIL, PASSWORD

MARKUP = '"><script>alert(1)</script>'
NEW, EDIT, FOUND = "/alertes/nouvelle", "/alertes/{alert}/modifier", "/alertes/{alert}/trouve"
WISH = f"{NEW}?prefecture=bobigny_93&procedure=TITRE_SEJOUR"
_SUBSCRIPTION: dict[str, object] = {
    key: text for key, text in FORMS["channels.add_device"][1].items() if key != "name"
}
# The page with the form, what its action ends with, what is typed, and the words beside the field that is typed last.
OF_USERS: tuple[tuple[str, str, dict[str, object], str], ...] = (
    (WISH, NEW, {"procedures[]": []}, "Choisissez au moins une démarche"),
    (WISH, NEW, {"deskIds[]": "melun_77/x"}, "n’est pas valable"),
    (WISH, NEW, {"name": "A" * 10_000}, "80 caractères"),
    (WISH, NEW, {"limits.weekdays[]": "9" * 10_000}, "nombre entier"),
    (WISH, NEW, {"limits.dateFrom": "2027-02-01", "limits.dateTo": "2027-01-01"}, "précéder"),
    (WISH, NEW, {"limits.hourFrom": "midi"}, "n’est pas valable"),
    (EDIT, "/modifier", {"limits.dateTo": "2020-01-01", "name": "A" * 10_000}, "80 caractères"),
    (FOUND, "/trouve", {"day": "2027-01-01", "hour": ""}, "Écrivez aussi l’heure."),
    (FOUND, "/trouve", {"hour": "09:30", "day": ""}, "Écrivez aussi le jour."),
    (FOUND, "/trouve", {"hour": "09:30", "day": "2999-01-01"}, "trop éloignée"),
    (FOUND, "/trouve", {"hour": "09:30", "day": "demain"}, "n’est pas valable"),
    (FOUND, "/trouve", {"place": "A" * 10_000}, "200 caractères"),
    (FOUND, "/trouve", {"place": MARKUP, "day": MARKUP, "hour": MARKUP}, "n’est pas valable"),
    ("/preferences", "/preferences", {"quietFrom": "22:00", "quietUntil": "22:00"}, "une autre heure que"),
    ("/preferences", "/preferences", {"callsFrom": "09:00", "callsUntil": "09:00"}, "une autre heure que"),
    ("/preferences", "/preferences", {"slotRhythm": MARKUP}, "n’est pas valable"),
    ("/profil", "/profil/reglages", {"language": MARKUP}, "n’est pas valable"),
    ("/profil", "/profil/reglages", {"timeZone": ""}, "nécessaire"),
    ("/profil", "/profil/adresse", {"email": ""}, "Écrivez votre adresse e-mail."),
    ("/profil", "/profil/adresse", {"email": f"{MARKUP}@example.org"}, "Cette adresse n’est pas valable."),
    ("/canaux", "/canaux/numero", {"phone": ""}, "Écrivez votre numéro."),
    ("/canaux", "/canaux/numero", {"phone": MARKUP}, "Ce numéro n’est pas valable."),
    ("/canaux", "/canaux/numero", {"phone": "+1 202 555 0143"}, "numéros mobiles de France"),
    ("/canaux", "/canaux/navigateurs", _SUBSCRIPTION | {"name": ""}, "Donnez un nom à ce navigateur."),
    ("/securite", "/securite/mot-de-passe", {"password": ""}, "Écrivez un nouveau mot de passe."),
    ("/securite", "/securite/mot-de-passe", {"password": "anna.secret@example.org"}, "facile à deviner"),
)  # fmt: skip
OF_VISITORS: tuple[tuple[str, str, dict[str, object], str], ...] = (
    ("/login", "/login", {"email": "nobody@example.org", "password": PASSWORD}, "Aucun compte n’a cette"),
    ("/login", "/login", {"email": "anna.secret@example.org", "password": "wrong"}, "Aucun compte n’a cette"),
    ("/login", "/login", {"password": "", "email": ""}, "Écrivez votre adresse e-mail."),
    ("/login", "/login", {"password": "x", "email": "a\0b@example.org"}, "Un caractère invisible"),
    ("/register", "/register", {"password": PASSWORD, "email": "camille"}, "n’est pas valable"),
    ("/register", "/register", {"password": PASSWORD, "email": "zoé@exemple.fr"}, "« é » avant le @"),
    ("/register", "/register", {"email": EMAIL, "password": "password1234"}, "facile à deviner"),
)  # fmt: skip


@pytest.mark.parametrize(("role", "refusals"), [("anna", OF_USERS), ("visitor", OF_VISITORS)])
def test_a_refusal_is_said_beside_its_field_and_keeps_what_was_typed(
    population: Population, role: str, refusals: tuple[tuple[str, str, dict[str, object], str], ...]
) -> None:
    browser, before = population.browse(role), read_digests()
    for url, action, typed, words in refusals:
        opened = browser.get(fill_address(url, population.ids))
        opened.forms = [each for each in opened.forms if each["attributes"]["action"].endswith(action)]
        page = browser.send(action, **typed)
        name = [*typed][-1]
        field = "f-" + re.sub(r"\W+", "-", name).strip("-")
        said = page.html.partition(f'id="{field}-error">')[2].partition("</p>")[0]
        assert (browser.status, words in said) == (422, True), (url, typed, said)
        assert page.title.startswith("Erreur : ")
        assert MARKUP not in page.html
        (kept,) = (each["fields"] for each in page.forms if each["attributes"]["action"].endswith(action))
        is_shown = name != "password" and isinstance(typed[name], str) and typed[name]
        assert not is_shown or kept.get(name, [typed[name]]) == [typed[name]], (url, name)
        assert not any(at.get("value") for _, at in page.tags if at.get("type") == "password")
    assert read_digests() == before


def test_nobody_sends_a_form_about_what_is_anothers(population: Population) -> None:
    neighbour = population.browse("neighbour")
    before = read_digests()
    for endpoint, (address, fields) in FORMS.items():
        if "{" in address and endpoint.startswith(("alert_pages.", "plan.")):
            data = fields | {"csrf_token": find_token(neighbour, endpoint)}
            url = fill_address(address, population.ids)
            answer = neighbour.client.post(url, data=data, headers=neighbour.headers)
            assert answer.status_code == 404, (endpoint, answer.status_code)
    assert read_digests() == before
