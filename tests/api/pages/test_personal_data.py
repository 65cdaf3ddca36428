"""The pages « Mes données »: the export from the first press to the download, and the deletion of the account."""

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from api.exports import jobs
from api.models.export import Export
from api.models.login import Login
from api.models.user import Role, User
from api.pages.personal_data import routes
from api.pages.personal_data.routes import KNOWN
from api.schemas import LostPlan
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import Browser
from tests.factories import PASSWORD, add_grant, change, one, rows


@pytest.fixture(autouse=True)
def _store(settings_env: Callable[..., None], tmp_path: Path, app: object) -> None:
    settings_env(EXPORTS_URL=tmp_path)


def make_stale() -> None:
    """Let the proof of every login be old."""
    change(Login, proven_at=clock() - timedelta(hours=1))


@pytest.mark.parametrize(("providers", "is_named"), [("sendgrid", False), ("sendgrid,smtp", True)])
def test_a_second_mail_service_is_named_where_there_is_one(
    *, providers: str, is_named: bool, camille: Browser, settings_env: Callable[..., None]
) -> None:
    settings_env(MAIL_PROVIDERS=providers)
    assert ("un second service de courriel" in camille.get("/donnees").text) is is_named


def test_the_page_says_what_is_known_and_why(camille: Browser) -> None:
    page = camille.get("/donnees")
    assert camille.status == 200
    for text in (
        "Mes données",
        "Numéro de téléphone",
        "la loi",
        "Préparer mon archive",
        "Supprimer mon compte",
    ):
        assert text in page.text


def test_an_export_from_the_press_to_the_download(camille: Browser) -> None:
    camille.get("/donnees")
    camille.send("/donnees/export")
    assert camille.status == 303
    assert "en préparation" in camille.follow().text
    assert "Préparer mon archive" not in camille.get("/donnees").text
    jobs.make_exports()
    assert "Votre archive est prête" in camille.get("/donnees").text
    answer = camille.client.get("/donnees/export.zip", headers=camille.headers)
    assert (answer.status_code, answer.mimetype) == (200, "application/octet-stream")
    assert "users.json" in ZipFile(BytesIO(answer.data)).namelist()


def test_the_download_asks_for_the_password_once_more(camille: Browser) -> None:
    camille.get("/donnees")
    camille.send("/donnees/export")
    jobs.make_exports()
    make_stale()
    answer = camille.client.get("/donnees/export.zip", headers=camille.headers)
    assert answer.status_code == 303
    assert "/prove" in str(answer.location)


def test_without_an_archive_the_download_leads_back(camille: Browser) -> None:
    answer = camille.client.get("/donnees/export.zip", headers=camille.headers)
    assert (answer.status_code, answer.location) == (303, "/donnees")
    assert rows(Export) == []


def test_the_deletion_asks_for_the_password_once_more(camille: Browser) -> None:
    make_stale()
    answer = camille.client.get("/donnees/suppression", headers=camille.headers)
    assert (answer.status_code, "/prove" in str(answer.location)) == (303, True)


def test_an_account_without_a_plan_is_deleted_by_one_press(camille: Browser) -> None:
    page = camille.get("/donnees/suppression")
    assert "Ce que vous perdez" not in page.text
    camille.send("/donnees/suppression")
    assert camille.status == 303
    assert "Votre compte est supprimé" in camille.follow().text
    assert rows(User) == []
    assert camille.client.get_cookie("__Host-access") is None
    camille.send("/login", email="camille@example.org", password=PASSWORD)
    assert camille.status == 422


def test_17_with_a_plan_the_box_is_ticked_and_denies_no_withdrawal(camille: Browser) -> None:
    add_grant(one(User).id, PlanName.URGENCE_7J, 3)
    page = camille.get("/donnees/suppression")
    # The box may not deny the right of withdrawal, which outlives the account (L.221-18).
    assert "sans remboursement" not in page.text
    kept = "le lien « renoncer au contrat ici » de l’e-mail de commande marche aussi"
    for text in ("Ce que vous perdez", "URGENCE 7J", "Renoncer ou résilier d’abord", kept):
        assert text in page.text
    answer = camille.send("/donnees/suppression")
    assert camille.status == 422
    assert "Cochez la case" in answer.text
    assert len(rows(User)) == 1
    camille.send("/donnees/suppression", understood="true")
    assert camille.status == 303
    assert rows(User) == []


def test_an_operator_reads_why_not(camille: Browser) -> None:
    (user,) = rows(User)
    change(User, User.id == user.id, role=Role.ADMIN)
    camille.get("/donnees/suppression")
    answer = camille.send("/donnees/suppression", understood="true")
    assert camille.status == 422
    assert "Ce compte agit pour d’autres" in answer.text


def test_what_a_waiting_cancellation_pays_back_is_named(
    camille: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = LostPlan(
        plan=PlanName.URGENCE_TOTAL, ends_at=clock(), amount=0, refund=1799, currency="eur", renews=False
    )
    monkeypatch.setattr(routes, "read_losses", lambda *_: [lost])
    page = camille.get("/donnees/suppression")
    assert "17,99\xa0€ vous sont remboursés" in page.text
    assert "Renoncer ou résilier d’abord" not in page.text


def test_each_kind_of_data_has_its_reason_and_its_end_in_a_list(camille: Browser) -> None:
    html = camille.get("/donnees").html
    assert "<table" not in html, "a table hides its last column on a narrow screen"
    assert html.count("<dt>Pourquoi</dt>") == html.count("<dt>Jusqu’à quand</dt>") == len(KNOWN)
