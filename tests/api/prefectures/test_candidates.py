"""Booking pages that people give: what is kept of an address, who may give one, and what is refused."""

from datetime import timedelta

import pytest
import redis
import time_machine
from flask import Flask

from api.ground import cache
from api.models.alert import AlertTarget
from api.models.candidate import Candidate, CandidateSource, CandidateState
from configs.world.desk import Procedure
from tests.clients import Browser, People, problem, read_json
from tests.factories import add_account, add_alert, add_candidate, add_user, get, one, rows

PAGE = "https://www.nord.gouv.fr/booking/create"
RDVPREF = "https://www.rdv-prefecture.interieur.gouv.fr/rdvpref/reservation/demarche"


def give(address: str, prefecture_id: str = "cergy_95") -> dict[str, str]:
    return {"address": address, "prefectureId": prefecture_id}


def test_of_a_link_that_cancels_an_appointment_only_its_page_is_kept(person: People) -> None:
    user = person()
    said = read_json(user.post("/api/candidates", give(f"{RDVPREF}/4443/cgu/?token=secret#moi")), 201)
    assert said == {
        "address": f"{RDVPREF}/4443/", "platform": "rdvpref", "prefectureId": "cergy_95", "state": "open",
        "isAsked": True, "isTold": True,
    }  # fmt: skip
    row = one(Candidate)
    assert (row.source, row.user_id, row.number) == (CandidateSource.PERSON, user.id, "4443")
    assert "secret" not in repr(vars(row))
    assert not read_json(user.post("/api/candidates", give(f"{PAGE}/1")), 201)["isAsked"], "an unknown host"


@pytest.mark.usefixtures("frozen")
def test_three_addresses_a_day_are_taken_and_one_is_kept_once(
    person: People, frozen: time_machine.Traveller
) -> None:
    user, other = person(), person("other@example.org")
    for number in (1, 2, 3, 3):
        assert user.post("/api/candidates", give(f"{PAGE}/{number}")).status_code == 201
    assert problem(user.post("/api/candidates", give(f"{PAGE}/4"))) == (429, "too-many-requests")
    assert not read_json(other.post("/api/candidates", give(f"{PAGE}/3")), 201)["isTold"]
    assert [each.user_id for each in rows(Candidate)] == [user.id] * 3, "the first one is told"
    frozen.shift(timedelta(days=1, seconds=1))
    assert user.post("/api/candidates", give(f"{PAGE}/4")).status_code == 201


def test_who_gives_a_page_of_the_list_is_told_too(person: People) -> None:
    known = add_candidate("4443")
    user = person()
    assert user.post("/api/candidates", give(f"{RDVPREF}/4443/")).status_code == 201
    found = get(Candidate, known)
    assert (found.source, found.user_id, found.prefecture_id) == (CandidateSource.LIST, user.id, "cergy_95")


def test_what_is_no_new_page_is_refused_with_the_reason(person: People) -> None:
    decided = {"decided_at": "2026-11-20T09:00:00Z", "decision": "no procedure of ours"}
    add_candidate("4444", state=CandidateState.REFUSED, **decided)
    user = person()
    wrong = user.post(
        "/api/candidates", give("https://rdv.anct.gouv.fr/users/rdvs/1/cancel?token=x", "nowhere")
    )
    assert [(each["path"], each["rule"]) for each in wrong.json["errors"]] == [
        ("address", "no_booking_page"), ("prefectureId", "unknown"),
    ]  # fmt: skip
    assert "token" not in wrong.text
    refused = user.post("/api/candidates", give(f"{RDVPREF}/4444/"))
    assert problem(refused) == (409, "candidate-refused")
    known = user.post("/api/candidates", give("http://127.77.0.93:8800/booking/create/9845/4"))
    assert problem(known) == (409, "known-desk")
    assert len(rows(Candidate)) == 1


def test_an_unconfirmed_address_gives_none(person: People) -> None:
    user = person(confirmed=False)
    assert problem(user.post("/api/candidates", give(f"{PAGE}/1"))) == (403, "address-unconfirmed")


def test_a_departments_page_leads_to_the_field_for_an_address(app: Flask) -> None:
    camille = Browser(app)
    camille.give_login(add_account().id)
    page = camille.get("/departements/cergy_95")
    link = "/departements/cergy_95/page-de-rendez-vous"
    assert link in page.html
    camille.get(link)
    again = camille.send(link, address="bonjour")
    assert "Ce n’est pas l’adresse d’une page de rendez-vous que nous savons lire" in again.text
    camille.send(link, address=f"{RDVPREF}/4443/creneau/?id=secret")
    assert one(Candidate).url == f"{RDVPREF}/4443/"
    assert "nous vous écrirons une fois" in camille.get(link).text
    robin = Browser(app)
    robin.give_login(add_account("robin@example.org").id)
    robin.get(link)
    robin.send(link, address=f"{RDVPREF}/4443/")
    assert "Une autre personne nous a déjà donné cette page" in robin.get(link).text


def test_what_ten_people_ask_for_in_vain_is_said_in_public_in_tens(
    app: Flask, redis_server: redis.Redis
) -> None:
    client, shown = app.test_client(), []
    for number in range(1, 20):
        target = AlertTarget(prefecture_id="cergy_95", procedure=Procedure.VISA)
        add_alert(add_user(f"{number}@example.org").id, target, enabled=False, awaits_watch=True)
        if number in (9, 10, 19):
            cache._open_cache.cache_clear()
            redis_server.flushdb()
            shown.append(read_json(client.get("/api/prefectures/cergy_95"))["peopleWaiting"])
    assert shown == [{}, {"VISA": 10}, {"VISA": 10}]
    assert "Visa : au moins 10 personnes attendent" in Browser(app).get(
        "/departements/cergy_95"
    ).text.replace("\xa0", " ")
