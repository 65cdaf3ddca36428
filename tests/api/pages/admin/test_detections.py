"""Operators' pages of detections: the list, one with its slots and messages, and the way to its proof."""

from uuid import UUID

import sqlalchemy as sa

from api.models.audit import AuditEntry
from api.models.base import session
from api.models.slot import Detection
from configs.ground.clock import clock
from configs.ground.proofs import new_key
from tests.api.world import statements
from tests.clients import Browser
from tests.factories import BOBIGNY, add_account, add_alert, add_match, change, rows, see

LIST = "/admin/detections"


def test_a_detection_is_shown_with_slots_and_alerts(support: Browser) -> None:
    detection, slots = see("2099-01-05T09:00:00+01:00", "open", seats=3)
    add_match(add_alert(add_account().id), detection, slots)
    page = support.get(LIST)
    assert BOBIGNY in page.text
    page = support.get(f"{LIST}/{detection}")
    assert support.status == 200
    for text in ("2099-01-05T09:00:00+01:00", "sans date", "Aucun message n’en parle.", "Aucune preuve"):
        assert text in page.text, text
    page = support.get(f"{LIST}?deskId=elsewhere/x")
    assert "Aucune détection ne correspond." in page.text


def test_the_proof_is_a_link_of_now_and_audited(admin: Browser) -> None:
    detection, _ = see("2099-01-05")
    change(Detection, Detection.id == detection, proof_key=new_key(clock()))
    page = admin.get(f"{LIST}/{detection}")
    assert f"{LIST}/{detection}/preuve" in page.html
    assert "/l/proof/" not in page.html, "a link that is made when it is asked for"
    admin.get(f"{LIST}/{detection}/preuve")
    assert admin.status == 303
    assert "/l/proof/" in admin.location
    (row,) = (each for each in rows(AuditEntry) if each.action == "detection.proof")
    assert row.subject_id == str(detection)


def test_without_a_proof_there_is_no_link(admin: Browser) -> None:
    detection, _ = see("2099-01-05")
    for path in (f"{LIST}/{detection}/preuve", f"{LIST}/{UUID(int=0)}", f"{LIST}/{UUID(int=0)}/preuve"):
        admin.get(path)
        assert admin.status == 404, path


def test_ten_thousand_detections_and_slots_have_pages(admin: Browser) -> None:
    detection, _ = see("2099-01-05")
    with session() as s:
        s.execute(
            sa.text("""
            WITH made AS (
              INSERT INTO slots (desk_id, place_key, moment, url, opened_at, seen_at)
              SELECT desk_id, 'p' || n, '2099-02-01', booking_url, seen_at, seen_at
              FROM detections, generate_series(1, 9999) n WHERE id = :id RETURNING id
            ) INSERT INTO detection_slots (detection_id, slot_id) SELECT :id, id FROM made"""),
            {"id": detection},
        )
        s.execute(
            sa.text("""
            INSERT INTO detections (id, desk_id, prefecture_id, procedures, label, source, booking_url, seen_at, committed_at)
            SELECT gen_random_uuid(), desk_id, prefecture_id, procedures, label, source, booking_url, seen_at, committed_at
            FROM detections, generate_series(1, 9999) WHERE id = :id"""),
            {"id": detection},
        )
    page = admin.get(f"{LIST}/{detection}")
    assert "Les 200 premiers" in page.text
    assert page.html.count('<th scope="row">') == 200
    page = admin.get(LIST)
    assert page.html.count('<th scope="row">') == 50
    (following,) = (at["href"] for _, at in page.tags if at.get("rel") == "next")
    assert admin.get(following).html.count('<th scope="row">') == 50
    assert statements(lambda: admin.get(LIST)) < 12


def test_for_a_user_no_page_is_there(camille: Browser) -> None:
    detection, _ = see("2099-01-05")
    change(Detection, Detection.id == detection, proof_key=new_key(clock()))
    for path in (LIST, f"{LIST}/{detection}", f"{LIST}/{detection}/preuve"):
        camille.get(path)
        assert camille.status == 404, path
