"""Operators' pages of web hosts."""

from datetime import timedelta

from api.models.desk import HostState
from configs.ground.clock import clock
from tests.api.pages.admin.conftest import act, audit
from tests.clients import Browser
from tests.factories import BOBIGNY, add_account, add_alert, add_desk, rows, save

HOST = "127.77.0.93:8800"
PAGE = f"/admin/sites/{HOST}"


def test_the_list_leads_to_each_host_page_by_page(admin: Browser) -> None:
    page = admin.get("/admin/sites?limit=1")
    assert page.html.count("/admin/sites/127") == 1
    admin.get("/admin/sites?limit=1&after=127.77.0.93:8800")
    assert "Première page" in admin.page.text
    assert f'href="{PAGE}"' not in admin.page.html


def test_a_host_is_shown_with_desks_and_incidents(admin: Browser) -> None:
    add_desk(status_reason="watched")
    save(HostState(host=HOST, budget_share=0.5, rests_in_a_row=2))
    page = admin.get(PAGE)
    assert BOBIGNY in page.text
    assert "50 %" in page.text.replace("\u202f", " ").replace("\xa0", " ")
    admin.get("/admin/sites/nowhere:443")
    assert admin.status == 404


def test_a_stop_says_how_many_wait_and_go_lifts_it(admin: Browser) -> None:
    add_alert(add_account().id)
    page = admin.get(f"{PAGE}/arret")
    assert "1 personne attend un créneau ici." in page.text
    admin.send("/arret", reason="essai", typed=HOST)
    assert [each.stop_reason for each in rows(HostState)] == ["essai"]
    page = admin.get(f"{PAGE}/arret")
    assert "déjà arrêté (« essai »)" in page.text
    page = admin.get(f"{PAGE}/reprise")
    assert "Il était arrêté : « essai »." in page.text
    admin.send("/reprise")
    assert f"{HOST} est de nouveau consulté." in admin.follow().text
    assert [each.stopped_at for each in rows(HostState)] == [None]


def test_a_stop_keeps_what_the_planner_knows_and_an_address_out_of_the_audit(admin: Browser) -> None:
    save(HostState(host=HOST, rests_in_a_row=3, budget_share=0.5))
    act(admin, f"{PAGE}/arret", reason="webmaster.jean@prefecture.example.fr wrote to us", typed=HOST)
    (row,) = audit("host.stop", subject_id=HOST)
    assert "jean" not in str(row.changes)
    act(admin, f"{PAGE}/reprise")
    (state,) = rows(HostState)
    assert (state.stopped_at, state.stop_reason, state.rests_in_a_row, state.budget_share) == (
        None,
        None,
        3,
        0.5,
    )
    assert len(audit("host.go")) == 1


def test_a_host_that_is_remembered_stands_in_the_list(admin: Browser) -> None:
    rests = {"rests_until": clock() + timedelta(hours=1), "rest_reason": "blocked"}
    save(HostState(host="0.example:443", **rests))
    (shown, *_) = admin.get("/admin/sites").rows
    assert shown[0] == "0.example:443"
    assert "Au repos" in shown[1]
    assert shown[1].endswith("blocked")
