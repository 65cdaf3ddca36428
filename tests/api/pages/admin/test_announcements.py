"""Operators' announcements: to whom, tried on oneself, in bulk, stopped; news only to who consented."""

import pytest
from flask import Flask

from api.accounts.consents import give_news_consent
from api.admin.announcements import send_announcements
from api.models.alert import AlertTarget
from api.models.base import session
from api.models.notification import Announcement, Notification, Priority, State
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.content.message_kind_base import Skip
from tests.api.messages import prepare, read_text
from tests.api.pages.admin.conftest import act, audit, plain
from tests.clients import Browser, seat_operator
from tests.factories import BOBIGNY, add_account, add_alert, add_desk, add_grant, change, one, rows

pytestmark = pytest.mark.usefixtures("database")
PAGE = "/admin/annonces"
TEXT = {"fr": "Nos conditions\nElles changent le 1er mars.", "en": "Our terms\nThey change on 1 March."}


def write(browser: Browser, **fields: str) -> str:
    """Write an announcement by its form; return its address."""
    assert "enregistrée" in act(browser, f"{PAGE}/nouvelle", **(TEXT | fields))
    return f"{PAGE}/{max(each.id for each in rows(Announcement))}"


def list_told() -> list[Notification]:
    return rows(Notification, Notification.kind.in_(["announcement", "news"]))


def test_a_service_notice_goes_to_the_people_that_the_operator_saw_and_waits_behind_all_else(
    app: Flask,
) -> None:
    add_account()
    admin = seat_operator(app)
    page = write(admin, de="Unsere Bedingungen\nSie ändern sich am 1. März.")
    shown = admin.get(page).text
    assert "Unsere Bedingungen" in shown
    assert "(en anglais)" in shown
    assert list_told() == []
    admin.get(f"{page}/envoi")
    assert plain(admin.page.headings[0]) == "Envoyer à 2 personnes ?"
    assert "part" in act(admin, f"{page}/envoi", typed="2")
    assert "Personnes2Messagesécrits0" in "".join(admin.get(page).text.split()), "it has begun"
    assert send_announcements() == {"written": 2}
    assert send_announcements() == {"written": 0}
    assert {(each.kind, each.priority) for each in list_told()} == {("announcement", Priority.BULK)}
    assert "déjà partie" in act(admin, f"{page}/envoi", typed="2")
    assert [each.changes for each in audit("announcement.start")] == [{"people": 2}]


def test_an_operator_tries_it_alone(app: Flask) -> None:
    add_account()
    admin = seat_operator(app)
    assert "en route vers vous" in act(admin, f"{write(admin)}/essai")
    (told,) = list_told()
    assert told.params["is_test"]


def test_a_stopped_one_is_written_to_nobody_and_what_waits_does_not_leave(app: Flask) -> None:
    add_account()
    admin = seat_operator(app)
    page = write(admin)
    act(admin, f"{page}/envoi", typed="2")
    send_announcements()
    waiting, gone = list_told()
    change(Notification, Notification.id == gone.id, state=State.SENT, accepted_at=clock())
    for language in ("en", "de"):  # English stands in
        waiting.language = language
        assert "They change on 1 March." in read_text(waiting, language)
    change(Announcement, Announcement.done_at.is_not(None), done_at=None)
    assert "est arrêtée" in act(admin, f"{page}/arret")
    assert "Messagesécrits2Partisavantl’arrêt1" in "".join(admin.get(page).text.split())
    assert prepare(waiting) == Skip(State.EXPIRED, "the announcement was stopped")
    assert send_announcements() == {"written": 0}
    assert "n’est pas en cours" in act(admin, f"{page}/arret")


def test_each_audience_has_its_people_and_news_need_a_consent(app: Flask) -> None:
    add_desk(BOBIGNY)
    waiting, paying, other = (add_account(f"p{number}@example.org").id for number in range(3))
    add_alert(waiting, AlertTarget(desk_id=BOBIGNY))
    add_grant(paying, PlanName.URGENCE_7J, 3, -1)
    change(Contact, Contact.user_id == other, consented_at=clock())
    with session() as s:
        give_news_consent(s.query(Contact).filter_by(user_id=other, channel=Channel.EMAIL).one(), "profile")
    admin = seat_operator(app)
    for fields, whom in (
        ({"place": "bobigny_93"}, waiting),
        ({"place": BOBIGNY}, waiting),
        ({"plan": "URGENCE_7J"}, paying),
        ({"isNews": "true"}, other),
    ):
        page = write(admin, **fields)
        assert "L’annonce part." in act(admin, f"{page}/envoi", typed="1")
        send_announcements()
        assert [each.user_id for each in list_told() if each.params["announcement"] in page] == [whom], fields
    assert one(Announcement, Announcement.is_news).written == 1


def test_a_desk_s_goes_to_who_waits_for_a_procedure_of_it_and_not_to_others_at_the_prefecture(
    app: Flask,
) -> None:
    waiting, other = (add_account(f"p{number}@example.org").id for number in range(2))
    add_alert(waiting, AlertTarget(prefecture_id="bobigny_93", procedure="TITRE_SEJOUR"))
    add_alert(other, AlertTarget(prefecture_id="bobigny_93", procedure="PERMIS_CONDUIRE"))
    admin = seat_operator(app)
    act(admin, f"{write(admin, place=BOBIGNY)}/envoi", typed="1")
    send_announcements()
    assert [each.user_id for each in list_told()] == [waiting]


def test_a_service_notice_reaches_who_reported_mail_as_spam_and_news_do_not(app: Flask) -> None:
    camille = add_account().id
    change(
        Contact,
        Contact.user_id == camille,
        state=ContactState.UNSUBSCRIBED,
        consented_at=clock(),
        consent={"news": {}},
    )
    admin = seat_operator(app)
    for fields, number in (({}, "2"), ({"isNews": "true"}, "0")):
        page = write(admin, **fields)
        assert "L’annonce part." in act(admin, f"{page}/envoi", typed=number)
    send_announcements()
    (told,) = (each for each in list_told() if each.user_id == camille)
    assert not isinstance(prepare(told), Skip)


def test_texts_of_the_longest_length_in_all_languages_are_taken_as_a_browser_counts_them(app: Flask) -> None:
    letters = {"ru": "\N{CYRILLIC SMALL LETTER YA}", "ar": "ع", "zh": "字", "hi": "क"}
    texts = {
        name: f"T\r\n{' '.join([letters.get(name, 'a') * 5] * 667)[:3998]}"
        for name in ("fr", "en", "es", "de", "pt", "ru", "zh", "ar", "hi")
    }
    admin = seat_operator(app)
    admin.get(f"{PAGE}/nouvelle")
    form = admin.page.find_form("/nouvelle")
    page = admin.client.post(
        f"{PAGE}/nouvelle",
        data=form["fields"] | texts,
        headers=admin.headers,
        content_type=form["attributes"].get("enctype", "application/x-www-form-urlencoded"),
    )
    assert page.status_code == 303, page.text[-3000:]
    assert len(one(Announcement).texts) == 9


@pytest.mark.parametrize(
    "fields",
    [{"fr": "Un titre seul"}, {"place": "nulle-part"}, {"place": "bobigny_93", "plan": "URGENCE_7J"}],
    ids=str,
)
def test_what_cannot_be_sent_is_refused(app: Flask, fields: dict[str, str]) -> None:
    admin = seat_operator(app)
    admin.get(f"{PAGE}/nouvelle")
    admin.send("/nouvelle", **(TEXT | fields))
    assert admin.status == 422
    assert rows(Announcement) == []
