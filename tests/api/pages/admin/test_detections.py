"""Operators' pages of detections: the list, one with its slots and messages, and the way to its proof."""

from uuid import UUID

from api.models.audit import AuditEntry
from api.models.slot import Detection
from configs.ground.clock import clock
from configs.ground.proofs import new_key
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
