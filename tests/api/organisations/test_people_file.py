"""CSV files of people: entered whole or not at all, with errors by line; downloaded without formulas."""

import csv
import io
from collections.abc import Callable

import pytest
from flask import Flask

from api.models.alert import Alert
from api.models.organisation import Beneficiary, Organisation
from api.models.user import Contact
from tests.clients import Browser
from tests.desk_proofs import prove_desks
from tests.factories import add_account, add_organisation, change, rows
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("frozen")
PAGE, FILE = "/organisation/people/import", "/organisation/people.csv"
HEAD = "nom;langue;courriel;telephone;prevenir;prefecture;demarches;du;au"
LINE = "Mme Éloïse K.;ar;eloise@example.org;'+33612345678;les deux;93;TITRE_SEJOUR;1/12/2026;31/12/2026"


@pytest.fixture
def owner(app: Flask) -> Browser:
    who = add_account()
    add_organisation(who.id)
    prove_desks()
    browser = Browser(app)
    browser.give_login(who.id)
    return browser


def upload(browser: Browser, content: bytes) -> str:
    """Send a file by the page's form; return the page that answers."""
    token = browser.get(PAGE).find_form(PAGE)["fields"]["csrf_token"][0]
    part = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
    head = part.format("csrf_token", "") + token + "\r\n" + part.format("file", '; filename="people.csv"')
    answer = browser.client.post(
        PAGE, data=head.encode() + content + b"\r\n--x--\r\n", headers=browser.headers,
        content_type="multipart/form-data; boundary=x",
    )  # fmt: skip
    browser.response = answer
    return browser.follow().html if answer.status_code == 303 else answer.text


@in_turn(
    "content",
    [
        f"{HEAD}\n{LINE}\n\n;;;;;;;;\n".encode(),
        f"{HEAD}\r\n{LINE}\r\n".encode("utf-8-sig"),
        f"{HEAD}\r\n{LINE}".encode("cp1252"),
        f"{HEAD}\n{LINE}".replace(";", ",").encode(),
        b"label\tlanguage\nMme \xc3\x89lo\xc3\xafse K.\tar",
    ],
)  # fmt: skip
def test_a_file_of_any_spreadsheet_is_taken(owner: Browser, content: bytes) -> None:
    before = {each.user_id for each in rows(Beneficiary)}
    assert "Personnes inscrites\xa0: 1" in upload(owner, content)
    (made,) = (each for each in rows(Beneficiary) if each.user_id not in before)
    assert made.label == "Mme Éloïse K."
    contacts = {each.address for each in rows(Contact) if each.user_id == made.user_id}
    has_all = b"courriel" in content
    assert contacts == ({"eloise@example.org", "+33612345678"} if has_all else set())
    assert len([each for each in rows(Alert) if each.user_id == made.user_id]) == has_all


@in_turn(
    "content, words",
    [
        (b"", "Choisissez un fichier."),
        (b"nom;nom\nA;B", "nomme les colonnes"),
        (b"nom;surnom\nA;B", "nomme les colonnes"),
        (b"\x89PNG\r\n\x1a\n\0\0", "CSV UTF-8"),
        ("nom\nZoé".encode("utf-16"), "CSV UTF-8"),
        (b"nom\n", "personne dans ce fichier"),
        (b"nom\n" + b"x\n" * 501, "plus de 500 personnes"),
        (b"nom\n" + b"x" * 300_000, "trop grand"),
        (b'nom\n"Zo', "guillemets"),
        (b"nom;langue\nA", ">2</th><td><bdi></bdi></td><td>Cette ligne"),
        (b"nom;courriel\nA;a@example.org\nB;b(at)example", ">3</th><td><bdi>courriel</bdi></td><td>Cette adresse"),
        (b"nom;telephone\nA;+12025550143", "<bdi>telephone</bdi></td><td>Ce num"),
        (b"nom;langue\nA;xx", "<bdi>langue</bdi></td><td>Ce mot"),
        (b"nom;prevenir\nA;tous", "<bdi>prevenir</bdi></td><td>Ce mot"),
        (b"nom;prefecture;demarches\nA;93;DANSE", "<bdi>demarches</bdi></td><td>Ce mot"),
        (b"nom;demarches\nA;VISA", "vont ensemble"),
        (b"nom;prefecture;demarches\nA;978;VISA", "<bdi>prefecture</bdi>"),
        (b"nom;prefecture;demarches;du\nA;93;VISA;demain", "<bdi>du</bdi></td><td>Cette"),
        (b"nom\n" + "é".encode() * 121, "<bdi>nom</bdi></td><td>C’est trop long."),
        (b"nom\nA\n<script>alert(1)</script>;x", "<bdi></bdi></td><td>Cette ligne"),
    ],
)  # fmt: skip
def test_a_file_with_an_error_enters_nobody_and_says_where_it_is(
    owner: Browser, content: bytes, words: str
) -> None:
    page = upload(owner, content)
    assert (owner.status, words in page) == (422, True), page[page.find("<main") :][:3000]
    assert "<script>alert" not in page
    assert (rows(Beneficiary), rows(Contact, Contact.address == "a@example.org")) == ([], [])


def test_what_is_refused_for_the_whole_organisation_is_said_once(owner: Browser) -> None:
    change(Organisation, opened_at=None, granted_until=None)
    page = upload(owner, b"nom\nA\nB\nC\n")
    assert "autant de personnes" in page
    assert rows(Beneficiary) == []


def test_far_too_large_a_file_is_not_read(owner: Browser) -> None:
    upload(owner, b"nom\n" + b"x\n" * 1_000_000)
    assert owner.status == 413


@pytest.mark.parametrize("cell", ["=1+1", "+33", "-2", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_cells_that_begin_like_a_formula_are_defused_and_come_back_as_they_were(
    owner: Browser, cell: str
) -> None:
    upload(owner, f'nom\n"{cell}"\n'.encode())
    answer = owner.client.get(FILE, headers=owner.headers)
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";")
    assert (row["reference"], row["nom"]) == ("1", f"'{cell}")
    upload(owner, f'nom\n"{row["nom"]}"\n'.encode())
    assert [each.label for each in rows(Beneficiary)] == [cell, cell]


def test_who_is_no_member_or_only_reads_enters_nobody(
    app: Flask, owner: Browser, settings_env: Callable[..., None]
) -> None:
    stranger = Browser(app)
    stranger.give_login(add_account("robin@example.org").id)
    for url in (PAGE, FILE):
        assert stranger.client.get(url, headers=stranger.headers).status_code == 404
