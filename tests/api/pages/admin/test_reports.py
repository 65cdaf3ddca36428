"""Operators' pages of reports: people whose slots looks nobody else saw stand first; what is decided of a person."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from api.models.base import new_id, session
from api.models.desk import Source
from api.models.notification import Notice, Notification
from api.models.report import Reporter, ReportState, read_trust
from api.models.slot import Detection
from configs.ground.clock import clock
from tests.api.pages.admin.conftest import act, audit
from tests.clients import Browser, problem, sign_in
from tests.factories import (
    EMAIL,
    PEOPLE_S,
    add_account,
    add_report,
    announce,
    change,
    one,
    rows,
    save,
)

LIST = "/admin/signalements"


def look(user_id: UUID, **columns: Any) -> UUID:
    known: dict[str, Any] = {"state": ReportState.COUNTED, "opening_id": new_id()}
    return add_report(user_id, **known | columns)


def test_who_says_slots_that_nobody_else_saw_stands_first_with_what_that_did(admin: Browser) -> None:
    liar, pair, honest, waiting = (add_account(f"u{number}@example.org").id for number in range(4))
    announce(waiting, desk_id=PEOPLE_S)
    opened = new_id()
    change(Detection, source=Source.REPORT, in_doubt=True, opening_id=opened)
    look(liar, opening_id=opened, networks=[b"near"])
    look(liar)
    look(liar)
    first = look(pair, networks=[b"near"])
    look(honest, corroborates_id=first)
    look(honest, kind="none")
    shown = {each: admin.get(f"{LIST}?by={each}").rows for each in ("doubtful", "person", "desk", "network")}
    ((name, trusted, *figures, _),) = shown["doubtful"]
    assert (name, trusted) == (str(liar)[-12:], "non")
    # looks, slots, corroborated, alone, denied, told in doubt, partners
    assert figures == ["3", "3", "0", "3", "3", "1", "0"]
    by_person = {row[0]: row[2:9] for row in shown["person"]}
    assert by_person[str(pair)[-12:]] == ["1", "1", "1", "0", "1", "0", "1"]
    assert by_person[str(honest)[-12:]] == ["2", "1", "1", "0", "0", "0", "1"]
    assert [row[:4] for row in shown["desk"]] == [[PEOPLE_S, "0", "6", "5"]]
    ((near, *_),) = shown["network"]
    assert near.startswith(b"near".hex())
    assert str(pair)[-12:] in near
    assert str(liar)[-12:] in near


def test_a_pair_whose_opening_two_denied_and_no_third_saw_is_on_the_list(admin: Browser) -> None:
    pair = [add_account(f"p{number}@example.org").id for number in range(2)]
    opened = new_id()
    first = look(pair[0], opening_id=opened)
    look(pair[1], opening_id=opened, corroborates_id=first)
    assert admin.get(LIST).rows == []
    for number in range(2):
        look(add_account(f"n{number}@example.org").id, kind="none", opening_id=None)
    assert {row[0] for row in admin.get(LIST).rows} == {str(each)[-12:] for each in pair}


@pytest.mark.parametrize("is_named", [False, True])
def test_one_telling_to_all_that_somebody_denied_is_on_the_list_also_of_a_trusted_person(
    admin: Browser, *, is_named: bool
) -> None:
    teller, other = (add_account(f"t{number}@example.org").id for number in range(2))
    if is_named:
        save(Reporter(user_id=teller, named_at=clock()))
    look(teller, detection_id=new_id(), is_trusted=is_named)
    assert admin.get(LIST).rows == []
    look(other, kind="none", opening_id=None)
    assert [row[:2] for row in admin.get(LIST).rows] == [[str(teller)[-12:], "oui" if is_named else "non"]]


def test_an_operator_ends_reports_with_a_reason_that_the_person_reads(admin: Browser) -> None:
    who = add_account().id
    path = f"{LIST}/{who}"
    look(who)
    act(admin, f"{path}/confiance")
    assert {each: admin.get(f"{LIST}?by={each}").rows[0][1] for each in ("person", "desk")} == {
        "person": "oui",
        "desk": "1",
    }
    with session() as s:
        assert read_trust(s, [who])[who].is_trusted
    assert "Écrivez la raison" in act(admin, f"{path}/arret", reason="")
    assert "arrêtés" in act(admin, f"{path}/arret", reason="des places que personne n’a vues")
    assert "des places que personne n’a vues" in admin.get(path).text
    assert one(Notification).kind == "reports_decided"
    assert "des places que personne n’a vues" in one(Notice).body
    assert "écrivez à l’assistance" in one(Notice).body
    act(admin, f"{path}/reprise")
    assert [each.kind for each in rows(Notification)] == ["reports_decided"] * 2
    with session() as s:
        trust = read_trust(s, [who])[who]
    assert (trust.ended_because, trust.is_trusted) == (None, False)
    (ended,) = audit("reports.end")
    assert (ended.subject_id, ended.changes) == (str(who), {"reason": "des places que personne n’a vues"})
    assert len(audit("reports.trust")) == len(audit("reports.resume")) == 1


def test_a_suspension_that_is_over_resumes_no_reports_that_were_ended_before(
    app: Flask, admin: Browser
) -> None:
    who = add_account().id
    suspension = f"/admin/utilisateurs/{who}/suspension"
    act(admin, f"{LIST}/{who}/arret", reason="places inventées")
    act(admin, suspension, reason="commandes pour d’autres", typed=EMAIL)
    act(admin, f"{suspension}/fin")
    assert one(Reporter).ended_because == "places inventées"
    act(admin, f"{LIST}/{who}/reprise")
    act(admin, suspension, reason="commandes pour d’autres", typed=EMAIL)
    act(admin, f"{LIST}/{who}/reprise")
    answer = sign_in(app, who).post("/api/reports", {"deskId": PEOPLE_S, "kind": "none"})
    assert problem(answer) == (403, "account-suspended")
