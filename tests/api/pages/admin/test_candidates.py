"""Operators' pages of candidates: by weight, what people ask for in vain, and what follows a decision."""

from datetime import timedelta

from api.models.alert import AlertTarget
from api.models.candidate import Candidate, CandidateSource, CandidateState
from api.models.notification import Notice
from configs.ground.clock import clock
from configs.world.desk import Outcome, Procedure
from tests.api.pages.admin.conftest import act, audit
from tests.clients import Browser
from tests.factories import add_account, add_alert, add_candidate, add_user, get, rows

PAGES = "/admin/pages-proposees"


def wait_in_vain(people: int, prefecture_id: str = "cergy_95") -> None:
    for _ in range(people):
        target = AlertTarget(prefecture_id=prefecture_id, procedure=Procedure.VISA)
        add_alert(add_user().id, target, enabled=False, awaits_watch=True)


def test_candidates_that_people_wait_for_come_first_with_what_their_page_says(admin: Browser) -> None:
    wait_in_vain(2)
    add_candidate("1", prefecture_id="bobigny_93", user_id=add_user().id, given_at=clock())
    add_candidate("2", source=CandidateSource.DISCOVERY, linked_by="https://example.fr/rdv")
    add_candidate(
        "3", prefecture_id="cergy_95", title="Visa <b>long</b>", outcome=Outcome.NO_SLOTS, procedures=["VISA"],
        visits=2, proofs=1, asked_at=clock(),
    )  # fmt: skip
    page = admin.get(PAGES)
    assert page.rows[0] == ["Val-d'Oise (95)", "Visa", "2"]
    assert [row[0].partition("demarche/")[2][0] for row in page.rows[1:]] == ["3", "1", "2"]
    assert page.rows[1][1:] == ["Val-d'Oise (95)", "2", "Visa <b>long</b>aucun créneau (1 / 2)", "Visa"]
    shown = admin.get(f"{PAGES}?prefectureId=bobigny_93&state=").rows
    assert "quelqu’un attend la réponse" in str(shown)


def test_an_accepted_candidate_becomes_an_entry_and_who_gave_it_is_told_once(admin: Browser) -> None:
    giver = add_account()
    id_ = add_candidate("4443", user_id=giver.id, given_at=clock(), title="Renouvellement", note="a list")
    wrong = act(
        admin, f"{PAGES}/{id_}/acceptation", prefectureId="cergy_95", label="Visite médicale du permis"
    )
    assert "Cochez au moins une démarche." in wrong
    fields = {"prefectureId": "cergy_95", "label": "Visite médicale", "procedures[]": ["VISA", "AUTRE"]}
    assert "révèle la santé" in act(admin, f"{PAGES}/{id_}/acceptation", **fields)
    done = act(admin, f"{PAGES}/{id_}/acceptation", **fields | {"label": "Visas"})
    assert "scrapy candidates --write" in done
    for line in (
        "slug: visa-4443",
        "label: Visas",
        "procedures: [VISA, AUTRE]",
        "watch: people",
        "source: a list; ",
    ):
        assert line in done
    (row,) = audit("candidate.accept", subject_id=str(id_))
    assert row.changes == {"state": ["open", "accepted"], "reason": "", "slug": "visa-4443"}
    assert "Un opérateur a déjà décidé." in act(admin, f"{PAGES}/{id_}/refus", reason="zu spät")
    (told,) = rows(Notice, Notice.user_id == giver.id)
    assert told.title == "La page que vous avez indiquée est acceptée – Val-d'Oise (95)"


def test_a_refused_candidate_is_told_with_its_words_and_stays_refused(
    admin: Browser, support: Browser
) -> None:
    id_ = add_candidate(
        prefecture_id="cergy_95", user_id=add_account().id, given_at=clock() - timedelta(days=1)
    )
    assert "Accepter" not in support.get(f"{PAGES}/{id_}").text
    act(admin, f"{PAGES}/{id_}/refus", reason="abandonnée")
    row = get(Candidate, id_)
    assert (row.state, row.decision) == (CandidateState.REFUSED, "abandonnée")
    (told,) = rows(Notice)
    assert "ne pouvons pas la surveiller" in told.body
    assert "abandonnée" not in told.body, "the reason is for operators"
