"""Every page of operators asks the database as often for many rows as for one, and shows fifty at most."""

import pytest

from api.invoices.issuing import issue_due
from api.models.answer import AnswerValue
from api.models.job import JobResult
from api.models.notification import State
from configs.ground.clock import clock
from tests.api.pages.admin.conftest import walk
from tests.api.pages.walk.addresses import OPERATOR_PAGES
from tests.api.world import statements
from tests.clients import Browser
from tests.factories import (
    add_account,
    add_alert,
    add_answer,
    add_check,
    add_difference,
    add_grant,
    add_incident,
    add_job,
    add_match,
    add_message,
    add_payment,
    add_stripe_event,
    see,
)

# The status is read in parts, each on a connection of its own; a proof leads on, and a file is no page.
APART = {"admin.show_status", "admin.show_live", "admin.show_proof", "admin.send_totals"}

PAGED = (
    "admin.list_incidents", "admin.list_desks", "admin.list_checks", "admin.list_detections", "admin.list_alerts",
    "admin.list_messages", "admin.list_payments", "admin.list_differences", "admin.list_events",
    "admin.list_hosts",
)  # fmt: skip


class World:
    """Rows of everything that operators look at, and the ids of the last ones."""

    def __init__(self) -> None:
        self.user = add_account().id
        self.ids: dict[str, object] = {"user": self.user, "support": self.user}

    def grow(self, number: int) -> None:
        for _ in range(number):
            alert, (detection, slots) = add_alert(self.user), see("2099-12-01", "2099-12-02")
            match = add_match(alert, detection, slots)
            add_answer(match, AnswerValue.NOTHING_THERE, clock())
            letter = add_message(self.user, match, state=State.FAILED, reason="refused", failed_at=clock())
            payment = add_payment(self.user)
            add_difference()
            add_check(started_at=clock())
            add_job(f"job {payment}", JobResult.DONE, clock())
            issue_due(60)
            self.ids |= {
                "alert": alert, "detection": detection, "letter": letter, "payment": payment,
                "grant": add_grant(self.user).id, "event": add_stripe_event(str(payment)),
                "trouble": add_incident(subject=f"{payment}:443"),
            }  # fmt: skip

    def count(self, browser: Browser) -> dict[str, int]:
        """Return the number of statements of each page."""
        found: dict[str, int] = {}
        for endpoint, address in OPERATOR_PAGES.items():
            if endpoint not in APART:
                path = address.format(**self.ids)
                found[endpoint] = statements(lambda path=path: browser.get(path))  # type: ignore[misc]
                assert browser.status in (200, 303), endpoint
        return found


@pytest.fixture
def world(admin: Browser) -> World:
    made = World()
    made.grow(1)
    return made


def test_pages_take_as_many_statements_however_many_rows_there_are(admin: Browser, world: World) -> None:
    few = world.count(admin)
    world.grow(9)
    assert world.count(admin) == few


def test_a_list_shows_fifty_rows_and_the_way_to_the_next(admin: Browser, world: World) -> None:
    for number in range(55):
        add_incident(subject=f"{number}:443")
    page = admin.get("/admin/incidents")
    assert len(page.rows) == 50
    assert page.next
    assert len(admin.get(page.next).rows) == 6


def test_every_list_goes_on_page_by_page(admin: Browser, world: World) -> None:
    world.grow(2)
    for endpoint in PAGED:
        path = OPERATOR_PAGES[endpoint].partition("?")[0]
        pages = list(walk(admin, f"{path}?limit=1", "|".join))
        assert len(pages) > 1, endpoint
        assert {len(each) for each in pages} == {1}, endpoint
        whole = ["|".join(row) for row in admin.get(f"{path}?limit=100").rows]
        assert [row for page in pages for row in page] == whole, endpoint
