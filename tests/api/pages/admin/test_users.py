"""Operators' pages of users: search by address, one account, grants, roles, alerts, detections, answers."""

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask

from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.answer import AnswerValue
from api.models.audit import AuditEntry
from api.models.base import session
from api.models.contact_lookup import claim_address
from api.models.desk import DeskChange
from api.models.notification import Notification, State
from api.models.payment import Payment, Refund, RefundReason, Subscription
from api.models.slot import Detection
from api.models.user import Channel, Contact, Grant, Role, User
from api.prefectures.answer_figures import find_first_month
from configs.ground.clock import clock
from configs.ground.proofs import new_key
from configs.world.plan import PlanName
from tests import factories
from tests.api.pages.admin.conftest import act, audit, read_role
from tests.api.payments.invoices.documents import pay
from tests.api.payments.shop import Shop, get_payment, list_grants, upgrade
from tests.api.payments.till import Till
from tests.api.world import Door
from tests.clients import Browser, problem, seat_operator, sign_in
from tests.in_turn import in_turn
from tests.samples import try_first
from tests.waiting import at_once

USERS, SEARCH = "/admin/utilisateurs", "/admin/utilisateurs/recherche"


def write_address(user_id: UUID) -> str:
    return f"{USERS}/{user_id}"


def hold(user_id: UUID, days: float = 1, starts: float = -0.5, plan: PlanName = PlanName.URGENCE_7J) -> UUID:
    """Write a grant from `starts` days from now on."""
    return factories.add_grant(user_id, plan, days, starts, source="payment").id


def test_a_user_is_found_by_address_which_stands_in_no_url(
    admin: Browser, camille_id: UUID, capfd: pytest.CaptureFixture[str]
) -> None:
    factories.add_account("somebody@example.org")
    admin.get(USERS)
    page = admin.send(SEARCH, wanted="CAMILLE@example.org")
    assert admin.status == 200
    assert factories.EMAIL in page.text
    assert "somebody@" not in page.text
    links = [at.get("href", "") + at.get("action", "") for _, at in page.tags]
    assert not any("amille" in each for each in links)
    assert write_address(camille_id) in page.html
    (row,) = audit("users.search")[1:]
    assert row.changes == {"searched": "C…@example.org", "seen": [str(camille_id)]}
    written = "".join(capfd.readouterr())
    assert "/admin/utilisateurs/recherche" in written, "the request is logged"
    assert "amille" not in written


def test_a_person_whom_an_organisation_helps_is_found_by_address(admin: Browser) -> None:
    house = factories.add_organisation(factories.add_account("owner@example.org").id).id
    helped = factories.add_beneficiary(house)
    factories.add_contact(helped, Channel.EMAIL, "helped@example.org")
    admin.get(USERS)
    assert write_address(helped) in admin.send(SEARCH, wanted="Helped@example.org").html


@in_turn("email", ["", "camille@", "camille@exa", "  ", "a\0b@example.org", "x" * 300])
def test_a_search_for_a_part_of_an_address_says_so(admin: Browser, email: str) -> None:
    admin.get(USERS)
    page = admin.send(SEARCH, wanted=email)
    assert admin.status == 422
    assert page.title.startswith("Erreur")
    assert not [each for each in audit("users.search") if "searched" in each.changes]


def test_a_user_is_found_by_number_and_by_order(admin: Browser, camille_id: UUID) -> None:
    with session() as s:
        contact = Contact(
            user_id=camille_id, channel=Channel.SMS, address="+33612345678", verified_at=clock()
        )
        s.add(contact)
        claim_address(s, contact)
    number = factories.get(Payment, pay(camille_id)).order_number
    admin.get(USERS)
    for text in ("06 12 34 56 78", number, f"commande {number}"):
        assert write_address(camille_id) in admin.send(SEARCH, wanted=text).html, text
    assert "Aucun compte ne correspond." in admin.send(SEARCH, wanted="06 12 34 56 79").text
    searched = [each.changes.get("searched") for each in audit("users.search")]
    assert searched == [None, "06 …78", number, f"commande {number}", "06 …79"], (
        "no number of a person is kept"
    )


@pytest.mark.parametrize("name", try_first([PlanName.URGENCE_TOTAL, PlanName.URGENCE_7J], 1))
def test_a_suspended_account_stops_gets_its_days_back_and_keeps_its_rights(
    shop: Shop, app: Flask, camille_id: UUID, name: PlanName
) -> None:
    """A page of Checkout that was open is paid in vain: the money goes back."""
    desk_id = factories.BOBIGNY
    factories.add_desk(desk_id)
    alert_id = factories.add_alert(camille_id, AlertTarget(desk_id=desk_id))
    payment_id, open_order = shop.buy(camille_id, name), shop.order(camille_id, name)
    shop.clock.shift(3600)
    admin, camille = seat_operator(app), Browser(app)
    camille.give_login(camille_id)
    admin.get(f"{write_address(camille_id)}/suspension")
    assert "se rétracter, supprimer" in admin.page.text
    page = act(
        admin,
        f"{write_address(camille_id)}/suspension",
        reason="Commandes pour d’autres <b>",
        typed=factories.EMAIL,
    )
    assert "Ce compte est suspendu." in page
    shop.control.pay(open_order.session_id)
    shop.deliver()
    assert not factories.get(Alert, alert_id).enabled
    assert 0 < get_payment(payment_id).refunded_cents < get_payment(payment_id).amount_cents
    late = get_payment(open_order.payment_id)
    assert late.refunded_cents == late.amount_cents > 0
    (refunded,) = factories.rows(Refund, Refund.payment_id == late.id)
    assert refunded.reason is RefundReason.NO_ACCOUNT, "no other order took its place"
    assert all(each.ended_at or each.cancel_wanted_at for each in factories.rows(Subscription))
    assert [grant for grant in list_grants(camille_id) if grant.ends_at > clock()] == []
    (told,) = factories.rows(Notification, Notification.kind == "account_suspended")
    assert told.params["reason"] == "Commandes pour d’autres <b>"
    shown = camille.get("/dashboard").text
    assert "Votre compte est suspendu" in shown
    assert "Commandes pour d’autres <b>" in shown
    camille.get(f"/alertes/{alert_id}")
    camille.send(f"/alertes/{alert_id}/reprendre")
    assert "Votre compte est suspendu" in camille.follow().text
    person = sign_in(app, camille_id)
    assert person.patch(f"/api/alerts/{alert_id}/toggle").status_code == 403
    change = {"acceptWaiting": True, "limits": {"weekdays": [1]}}
    assert person.patch(f"/api/alerts/{alert_id}", change).status_code == 403
    assert problem(Till(shop, person).order(name)) == (403, "account-suspended")
    for path, button in (
        ("/alertes/nouvelle?prefecture=bobigny_93", ">Créer l’alerte<"),
        (f"/formule/commande?plan={name.value}", "order-button"),
    ):
        unsold = camille.get(path)
        assert "Commandes pour d’autres <b>" in unsold.text
        assert button not in unsold.html
    look = {"deskId": factories.PEOPLE_S, "kind": "none"}
    assert problem(person.post("/api/reports", look)) == (403, "reporting-ended")
    assert person.get("/api/billing/history").status_code == 200
    assert "suspendu" in act(
        admin, f"{write_address(camille_id)}/suspension", reason="x", typed=factories.EMAIL
    )
    assert "La suspension est levée." in act(admin, f"{write_address(camille_id)}/suspension/fin")
    assert "Votre compte est suspendu" not in camille.get("/dashboard").text
    assert [each.action for each in rows_of_suspension()] == ["user.suspend", "user.resume"]


def test_a_suspension_soon_after_an_upgrade_gives_all_back_and_leaves_no_revived_plan(
    shop: Shop, app: Flask, camille_id: UUID
) -> None:
    cheap = shop.buy(camille_id, PlanName.URGENCE_24H)
    larger = upgrade(shop, camille_id, cheap)
    shop.control.pay(larger.session_id)
    shop.deliver()
    act(seat_operator(app), f"{write_address(camille_id)}/suspension", reason="x", typed=factories.EMAIL)
    shop.deliver()
    assert [grant for grant in list_grants(camille_id) if grant.ends_at > clock()] == []
    assert [get_payment(each).refunded_cents for each in (cheap, larger.payment_id)] == [499, 1000]


def test_a_suspension_ends_the_day_that_would_begin_after_the_one_that_runs(
    shop: Shop, app: Flask, camille_id: UUID
) -> None:
    days = [shop.buy(camille_id, PlanName.URGENCE_24H) for _ in range(2)]
    shop.clock.shift(12 * 3600)
    act(seat_operator(app), f"{write_address(camille_id)}/suspension", reason="x", typed=factories.EMAIL)
    shop.deliver()
    assert [grant for grant in list_grants(camille_id) if grant.ends_at > clock()] == []
    assert [get_payment(each).refunded_cents for each in days] == [250, 499]


def rows_of_suspension() -> list[AuditEntry]:
    return factories.rows(AuditEntry, AuditEntry.action.in_(["user.suspend", "user.resume"]))


def test_the_mailbox_that_an_account_left_is_found_and_gets_its_link_again(
    admin: Browser, camille_id: UUID, door: Door
) -> None:
    path = f"{write_address(camille_id)}/lien-de-reprise"
    assert path not in admin.get(write_address(camille_id)).html
    admin.get(path)
    admin.send("/lien-de-reprise")
    assert "Ce compte n’a pas changé d’adresse" in admin.page.text
    factories.change(
        Contact, Contact.user_id == camille_id, former_address="Left@example.org", moved_at=clock()
    )
    admin.get(USERS)
    assert write_address(camille_id) in admin.send(SEARCH, wanted="left@example.org").html
    assert path in admin.get(write_address(camille_id)).html
    assert "Left@example.org" in admin.get(path).text
    admin.send("/lien-de-reprise")
    assert "Le lien est en route" in admin.follow().text
    (told,) = factories.rows(Notification)
    assert (told.kind, told.params["to"], told.params["back"]) == (
        "address_changed",
        "Left@example.org",
        True,
    )
    assert door.nudged == [told.id]
    assert [each.subject_id for each in audit("user.return_mail")] == [str(camille_id)]


def test_a_plan_is_given_after_one_more_question(admin: Browser, camille_id: UUID, door: Door) -> None:
    alert = factories.add_alert(camille_id)
    page = admin.get(f"{write_address(camille_id)}/formule")
    assert "Ce compte n’a pas de formule en ce moment." in page.text
    assert factories.rows(Grant) == []
    admin.send("/formule", plan="URGENCE_7J", days="3")
    assert "URGENCE 7J est donnée" in admin.follow().text
    (grant,) = factories.rows(Grant)
    assert (grant.plan, grant.source) == (PlanName.URGENCE_7J, "admin")
    assert grant.ends_at - grant.starts_at == timedelta(days=3)
    assert door.caught_up == [alert]
    assert {line.reason for line in factories.rows(DeskChange)} == {"plan began"}
    (row,) = audit("grant.give")
    assert (row.subject_id, row.changes["plan"]) == (str(camille_id), "URGENCE_7J")


def test_a_form_that_is_sent_twice_gives_once(admin: Browser, camille_id: UUID) -> None:
    admin.get(f"{write_address(camille_id)}/formule")
    asked = admin.page
    admin.send("/formule", plan="URGENCE_7J")
    admin.page = asked
    page = admin.send("/formule", plan="URGENCE_7J")
    assert admin.status == 422
    assert "Entre-temps, ce compte a reçu ou perdu une formule." in page.text
    assert "URGENCE 7J court jusqu’au" in page.text
    assert len(factories.rows(Grant)) == len(audit("grant.give")) == 1
    admin.send("/formule", plan="URGENCE_7J")  # after reading it
    assert len(factories.rows(Grant)) == 2


def test_two_at_once_give_once(admin: Browser, camille_id: UUID) -> None:
    admin.get(f"{write_address(camille_id)}/formule")
    assert admin.send_twice("/formule", plan="URGENCE_7J") == [303, 422]
    assert len(factories.rows(Grant)) == 1


@in_turn(
    "fields",
    [
        {"plan": ""},
        {"plan": "NONE"},
        {"plan": "URGENCE_7J", "days": "0"},
        {"plan": "URGENCE_7J", "days": "4000"},
    ],
)
def test_a_plan_that_nobody_means_is_not_given(
    admin: Browser, camille_id: UUID, fields: dict[str, str]
) -> None:
    admin.get(f"{write_address(camille_id)}/formule")
    admin.send("/formule", **fields)
    assert admin.status == 422
    assert factories.rows(Grant) == []


def test_a_plan_ends_once_its_name_is_typed(admin: Browser, camille_id: UUID) -> None:
    grant = hold(camille_id)
    path = f"{write_address(camille_id)}/formules/{grant}/fin"
    assert path in admin.get(write_address(camille_id)).html
    page = admin.get(path)
    assert "prend fin maintenant" in page.text
    assert "Rien n’est remboursé" in page.text
    admin.send("/fin", typed="URGENCE 24H")
    assert admin.status == 422
    assert factories.rows(Grant)[0].ends_at > clock()
    asked = admin.page
    admin.send("/fin", typed="URGENCE 7J")
    assert "Cette formule a pris fin." in admin.follow().text
    assert factories.rows(Grant)[0].ends_at <= clock()
    admin.page = asked
    admin.send("/fin", typed="URGENCE 7J")
    assert "Cette formule est déjà finie." in admin.follow().text
    assert len(audit("grant.end")) == 1


def test_a_plan_that_has_not_begun_is_removed_under_its_own_user_only(
    admin: Browser, camille_id: UUID
) -> None:
    grant = hold(camille_id, starts=2)
    admin.get(f"{write_address(factories.add_account('other@example.org').id)}/formules/{grant}/fin")
    assert admin.status == 404
    page = admin.get(f"{write_address(camille_id)}/formules/{grant}/fin")
    assert "qui n’a pas commencé, est retirée" in page.text
    admin.send("/fin", typed="URGENCE 7J")
    assert factories.rows(Grant) == []
    admin.get(f"{write_address(camille_id)}/formules/{grant}/fin")
    assert admin.status == 404


def test_support_sees_no_address_in_any_field_and_no_actions(support: Browser, camille_id: UUID) -> None:
    grant = hold(camille_id)
    support.get(USERS)
    page = support.send(SEARCH, wanted=factories.EMAIL)
    assert "c…@example.org" in page.text
    assert factories.EMAIL not in page.text
    page = support.get(write_address(camille_id))
    for path in ("formule", "role", "lien-de-reprise", f"formules/{grant}/fin"):
        assert f"{write_address(camille_id)}/{path}" not in page.html
    factories.change(User, User.id == camille_id, email="private@example.net")
    moved = {"address": "private-address@example.net", "former_address": "private-left@example.net"}
    factories.change(Contact, **moved, new_address="private-next@example.net", moved_at=clock())
    factories.add_contact(camille_id, Channel.SMS, "+33612345612")
    factories.add_alert(camille_id)
    user = f"userId={camille_id}"
    for path in (
        write_address(camille_id),
        USERS,
        f"/admin/alertes?{user}",
        f"/admin/messages?{user}",
        "/admin/journal",
        f"{write_address(camille_id)}/second-facteur/fin",
    ):
        page = support.get(path)
        assert support.status in (200, 303), path
        assert not re.search("private|6123456", page.html), path
    assert "+33…12" in support.get(write_address(camille_id)).text


def test_users_are_listed_by_role_the_newest_first(admin: Browser, support: Browser) -> None:
    newest_first = [factories.add_account(f"user{number}@example.org").email for number in range(5)][::-1]
    assert [row[0] for row in admin.get(f"{USERS}?role=user").rows] == newest_first
    assert [row[0] for row in admin.get(f"{USERS}?role=support").rows] == ["support@example.org"]


def test_who_is_no_operator_any_more_reads_no_message_to_operators(
    admin: Browser, app: Flask, camille_id: UUID
) -> None:
    for kind in ("hoarding", "support_received"):
        factories.add_message(camille_id, kind=kind, state=State.SENT, accepted_at=clock(), text="Un compte.")
    camille, path = sign_in(app, camille_id), f"{write_address(camille_id)}/role"
    for role, shown in (("support", {"hoarding", "support_received"}), ("user", {"support_received"})):
        act(admin, path, role=role, typed=factories.EMAIL)
        found = camille.get("/api/notifications").json
        assert {each["type"] for each in found["items"] if each["content"] == "shown"} == shown


def test_two_admins_who_remove_each_other_at_once_leave_one(app: Flask) -> None:
    for attempt in range(3):
        emails = [f"{name}{attempt}@example.org" for name in ("one", "two")]
        browsers = [seat_operator(app, email=each) for each in emails]
        ids = [factories.one(User, User.email == each).id for each in emails]
        for browser, other in zip(browsers, ids[::-1], strict=True):
            browser.get(f"{write_address(other)}/role")
        at_once(
            lambda pair: pair[0].send("/role", role="user", typed=pair[1]),
            zip(browsers, emails[::-1], strict=True),
        )
        assert len([user for user in factories.rows(User) if user.role is Role.ADMIN]) == 1
        factories.change(User, role=Role.USER)


def test_a_plan_lasts_as_long_as_it_is_sold_for_and_less_than_a_hundred_years(
    admin: Browser, camille_id: UUID
) -> None:
    path = f"{write_address(camille_id)}/formule"
    for plan, days in (("URGENCE_24H", 1), ("URGENCE_7J", 7), ("URGENCE_TOTAL", 30)):
        act(admin, path, plan=plan)
        (grant,) = (each for each in factories.rows(Grant) if each.plan == plan)
        assert grant.ends_at - grant.starts_at == timedelta(days=days)
    factories.change(Grant, Grant.plan == PlanName.URGENCE_7J, ends_at=clock() + timedelta(days=99 * 365))
    assert "est donnée" in act(admin, path, plan="URGENCE_7J", days="300")
    for days_more in ("300", "3650"):
        assert "durerait alors cent ans" in act(admin, path, plan="URGENCE_7J", days=days_more)
    assert "est donnée" in act(admin, path, plan="URGENCE_24H", days="3650")


def test_a_grant_that_ends_leaves_the_alerts_that_a_smaller_plan_carries(
    admin: Browser, camille_id: UUID, door: Door
) -> None:
    hold(camille_id, plan=PlanName.URGENCE_24H)
    larger = hold(camille_id)
    oldest, *_ = [factories.add_alert(camille_id) for _ in range(3)]
    act(admin, f"{write_address(camille_id)}/formules/{larger}/fin", typed="URGENCE 7J")
    assert [alert.id for alert in factories.rows(Alert) if alert.enabled] == [oldest]
    assert len(door.nudged) == 1
    assert "plan ended" in {line.reason for line in factories.rows(DeskChange)}


def test_two_admins_end_a_grant_at_once(app: Flask, camille_id: UUID) -> None:
    path = f"{write_address(camille_id)}/formules/{hold(camille_id)}/fin"
    browsers = [seat_operator(app, email=f"{name}@example.org") for name in ("one", "two")]
    for browser in browsers:
        browser.get(path)
    at_once(lambda browser: browser.send("/fin", typed="URGENCE 7J"), browsers)
    assert len(audit("grant.end")) == 1


def test_a_role_is_given_once_the_address_is_typed(admin: Browser, camille_id: UUID) -> None:
    page = admin.get(f"{write_address(camille_id)}/role")
    assert factories.EMAIL in page.text
    admin.send("/role", role="support", typed="camille@example.com")
    assert admin.status == 422
    assert read_role(camille_id) is Role.USER
    admin.send("/role", role="support", typed=factories.EMAIL)
    assert "Assistance (consulte)" in admin.follow().text
    assert read_role(camille_id) is Role.SUPPORT
    (row,) = audit("user.role")
    assert row.changes == {"role": ["user", "support"]}


def test_the_last_admin_and_an_unconfirmed_address_keep_their_role(admin: Browser) -> None:
    (me,) = (each.id for each in factories.rows(User))
    admin.get(f"{write_address(me)}/role")
    page = admin.send("/role", role="user", typed="admin@example.org")
    assert "C’est le dernier administrateur" in page.text
    stranger = factories.add_account("stranger@example.org", confirmed=False).id
    admin.get(f"{write_address(stranger)}/role")
    page = admin.send("/role", role="admin", typed="stranger@example.org")
    assert "Cette adresse n’est pas confirmée" in page.text
    assert read_role(stranger) is Role.USER
    assert audit("user.role") == []
    factories.change(Contact, Contact.address == "stranger@example.org", verified_at=clock())
    for role in ("support", "admin", "user"):
        act(admin, f"{write_address(stranger)}/role", role=role, typed="stranger@example.org")
        assert read_role(stranger) is Role(role)


def test_grants_have_pages(admin: Browser, camille_id: UUID) -> None:
    for _ in range(51):
        hold(camille_id)
    page = admin.get(write_address(camille_id))
    assert page.html.count("/fin") == 50
    (following,) = (at["href"] for _, at in page.tags if at.get("rel") == "next")
    page = admin.get(following)
    assert page.html.count("/fin") == 1
    assert "Première page" in page.text


ALERTS = "/admin/alertes"
DETECTIONS = "/admin/detections"
ANSWERS = "/admin/reponses"


def find_alerts(browser: Browser, alerts: list[UUID], query: str = "") -> set[UUID]:
    page = browser.get(f"{ALERTS}?{query}")
    return {each for each in alerts if f'{ALERTS}/{each}"' in page.html}


def test_alerts_are_found_by_user_prefecture_and_whether_they_wait(
    support: Browser, camille_id: UUID
) -> None:
    hers = factories.add_alert(camille_id)
    melun = AlertTarget(prefecture_id="melun_77", procedure="TITRE_SEJOUR")
    his = factories.add_alert(factories.add_account("robin@example.org").id, melun)
    over = factories.add_alert(camille_id, closed_at=clock(), closed_because=ClosedBecause.DELETED)
    alerts = [hers, his, over]
    assert find_alerts(support, alerts) == set(alerts)
    assert find_alerts(support, alerts, f"userId={camille_id}") == {hers, over}
    assert find_alerts(support, alerts, "prefectureId=melun_77") == {his}
    assert find_alerts(support, alerts, f"userId={camille_id}&isActive=true") == {hers}
    assert find_alerts(support, alerts, "isActive=false") == {over}
    assert find_alerts(support, alerts, "prefectureId=melun%25") == set()
    assert audit("alerts.search")[0].changes == {"seen": [str(each) for each in (over, his, hers)]}


def test_a_full_page_of_alerts_stays_small(support: Browser, camille_id: UUID) -> None:
    desks = [AlertTarget(desk_id=f"bobigny_93/titre-sejour-vie-privee-familiale-{each}") for each in range(4)]
    for _ in range(26):
        factories.add_alert(camille_id, *(AlertTarget(desk_id=each.desk_id) for each in desks))
    page = support.get(ALERTS)
    assert len(page.html.encode()) < 30_000
    (following,) = (at["href"] for _, at in page.tags if at.get("rel") == "next")
    assert support.get(following).html.count(f'href="{ALERTS}/') == 1


def test_an_alert_is_shown_with_its_owner_and_its_desks(support: Browser, camille_id: UUID) -> None:
    alert = factories.add_alert(camille_id)
    page = support.get(f"{ALERTS}/{alert}")
    assert f"/admin/utilisateurs/{camille_id}" in page.html
    assert "/admin/guichets/bobigny_93/" in page.html
    assert "/pause" not in page.html, "support acts nowhere"
    support.get(f"{ALERTS}/{uuid4()}")
    assert support.status == 404


def test_an_alert_is_paused_once_and_resumed_once(admin: Browser, camille_id: UUID, door: Door) -> None:
    factories.add_grant(camille_id, PlanName.URGENCE_7J)
    alert = factories.add_alert(camille_id)
    assert "Cette alerte est en pause." in act(admin, f"{ALERTS}/{alert}/pause")
    assert not factories.rows(Alert)[0].enabled
    assert "déjà en pause" in act(admin, f"{ALERTS}/{alert}/pause")
    assert "attend de nouveau" in act(admin, f"{ALERTS}/{alert}/reprise")
    assert door.caught_up == [alert]
    assert "attend déjà" in act(admin, f"{ALERTS}/{alert}/reprise")
    for action in ("alert.pause", "alert.resume"):
        assert len(audit(action, subject_id=str(alert))) == 1


def test_an_alert_is_not_resumed_beyond_its_owners_plan_nor_once_it_is_closed(
    admin: Browser, camille_id: UUID
) -> None:
    alert = factories.add_alert(camille_id, enabled=False)
    assert "ne porte pas d’alerte de plus" in act(admin, f"{ALERTS}/{alert}/reprise")
    factories.change(Alert, closed_at=clock(), closed_because=ClosedBecause.FOUND)
    assert "Cette alerte est fermée" in act(admin, f"{ALERTS}/{alert}/reprise")
    assert not factories.rows(Alert)[0].enabled
    assert audit("alert.resume") == []


def test_a_detection_is_shown_with_slots_and_alerts(support: Browser) -> None:
    detection, slots = factories.see("2099-01-05T09:00:00+01:00", "open", seats=3)
    factories.add_match(factories.add_alert(factories.add_account().id), detection, slots)
    page = support.get(DETECTIONS)
    assert factories.BOBIGNY in page.text
    page = support.get(f"{DETECTIONS}/{detection}")
    assert support.status == 200
    for text in ("2099-01-05T09:00:00+01:00", "sans date", "Aucun message n’en parle.", "Aucune preuve"):
        assert text in page.text, text
    page = support.get(f"{DETECTIONS}?deskId=elsewhere/x")
    assert "Aucune détection ne correspond." in page.text


def test_the_proof_is_a_link_of_now_and_audited(admin: Browser) -> None:
    detection, _ = factories.see("2099-01-05")
    for path in (f"{detection}/preuve", f"{UUID(int=0)}", f"{UUID(int=0)}/preuve"):
        admin.get(f"{DETECTIONS}/{path}")
        assert admin.status == 404, path
    factories.change(Detection, Detection.id == detection, proof_key=new_key(clock()))
    page = admin.get(f"{DETECTIONS}/{detection}")
    assert f"{DETECTIONS}/{detection}/preuve" in page.html
    assert "/l/proof." not in page.html, "a link that is made when it is asked for"
    admin.get(f"{DETECTIONS}/{detection}/preuve")
    assert admin.status == 303
    assert "/l/proof." in admin.location
    (row,) = (each for each in factories.rows(AuditEntry) if each.action == "detection.proof")
    assert row.subject_id == str(detection)


def report(user_id: UUID, minutes: float = 0, value: AnswerValue = AnswerValue.NOTHING_THERE) -> UUID:
    """Write an answer to a detection of its own; return the detection's id."""
    detection, slots = factories.see("2099-01-05")
    made = factories.add_match(factories.add_alert(user_id), detection, slots)
    factories.add_answer(made, value, clock() - timedelta(minutes=minutes))
    return detection


def count_answers(desk_id: str, nothing_there: int, months_ago: int = 0, alerts: int = 9) -> None:
    month = find_first_month(months_ago + 1)
    factories.add_day(desk_id, month, alerts=alerts, found=1, too_late=2, nothing_there=nothing_there)


def test_reports_are_listed_without_saying_whose_they_are(support: Browser) -> None:
    page = support.get(ANSWERS)
    assert "Personne n’a signalé de page vide." in page.text
    assert "Aucune réponse n’est comptée dans ce temps." in page.text
    user = factories.add_account()
    detection = report(user.id)
    report(user.id, value=AnswerValue.FOUND)
    page = support.get(ANSWERS)
    assert page.html.count("/admin/detections/") == 1
    assert f"/admin/detections/{detection}" in page.html
    assert "encore ouverts chez nous" in page.text
    assert factories.EMAIL not in page.html
    assert str(user.id) not in page.html


def test_desks_with_false_alarms_come_first_and_their_months_are_added_up(support: Browser) -> None:
    count_answers("a/quiet", 0, alerts=900)
    count_answers("b/loud", 2)
    count_answers("b/loud", 3, months_ago=1)
    count_answers("b/loud", 70, months_ago=5)
    page = support.get(f"{ANSWERS}?months=2")
    assert page.text.index("b/loud") < page.text.index("a/quiet")
    assert "<strong>5</strong>" in page.html
    assert "<strong>75</strong>" in support.get(f"{ANSWERS}?months=12").html
    assert "Ce mois-ci, " in support.get(f"{ANSWERS}?months=1").text


def test_a_busy_page_of_answers_is_paged_and_stays_small(support: Browser) -> None:
    user = factories.add_account()
    for minutes in range(21):
        report(user.id, minutes)
    for number in range(36):
        count_answers(f"evry-courcouronnes_91/titre-sejour-renouvellement-{number:02}", 1)
    page = support.get(ANSWERS)
    assert len(page.html.encode()) < 30_000
    alarms, desks = (at["href"] for _, at in page.tags if at.get("rel") == "next")
    assert support.get(alarms).html.count("/admin/detections/") == 1
    assert support.get(desks).html.count("renouvellement-35") == 2
