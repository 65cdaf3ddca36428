"""Pages of an organisation: from the request to the opening by an operator, and an invitation that is accepted."""

from datetime import UTC, datetime

import pytest
from flask import Flask

from api.models.notification import Notification
from api.models.organisation import Member, Organisation
from tests.clients import Browser, seat_operator
from tests.factories import add_account, one, rows

WISH = {
    "name": "Accueil 93", "kind": "association", "address": "1 rue de la Paix, 93000 Bobigny",
    "purpose": "Nous aidons des familles.", "siren": "732829320",
}  # fmt: skip


def browse(app: Flask, email: str) -> Browser:
    browser = Browser(app)
    browser.give_login(add_account(email).id)
    return browser


@pytest.mark.usefixtures("frozen")
def test_an_association_asks_an_operator_opens_it_and_a_colleague_joins(app: Flask) -> None:
    owner, colleague, admin = (
        browse(app, "owner@example.org"),
        browse(app, "robin@example.org"),
        seat_operator(app),
    )
    owner.get("/organisation")
    owner.send("/organisation", **WISH | {"siren": "732829321"})
    assert "dont le dernier est une clé" in owner.page.text
    owner.send("/organisation", **WISH)
    owner.get("/organisation")
    owner.send("/organisation/contrat")
    owner.get("/organisation")
    owner.send("/organisation/invitations", email="robin@example.org", role="caseworker")
    assert one(Notification, Notification.kind == "member_invited").address == "robin@example.org"
    colleague.get("/organisation")
    invited = one(Member, Member.user_id.is_(None)).id
    colleague.send(f"/organisation/invitations/{invited}")
    page = f"/admin/organisations/{one(Organisation).id}"
    admin.get(f"{page}/ouverture")
    admin.send(f"{page}/ouverture", until="2026-12-20")
    midnight = datetime(2026, 12, 20, 23, tzinfo=UTC)
    assert one(Organisation).granted_until == midnight, "the last day counts"
    assert "Offre jusqu’au21 déc. 2026, 00:00:00" in admin.get(page).text
    colleague.get("/organisation")
    assert "Accueil 93" in colleague.page.text
    assert "Contrat" not in colleague.page.text
    assert "robin@example.org" in owner.get("/organisation").html.partition('id="acts"')[2]
    assert 'id="acts"' not in colleague.get("/organisation").html
    admin.get(f"{page}/fin")
    admin.send(f"{page}/fin", because="abuse", reason="des rendez-vous vendus", typed="Accueil 93")
    told = rows(Notification, Notification.kind == "organisation_news")
    assert sorted(each.params["what"] for each in told) == ["abuse", "abuse", "opened", "opened"]
    owner.get("/organisation")
    assert "des rendez-vous vendus" in owner.page.text
