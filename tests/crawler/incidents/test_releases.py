"""Announced slot releases: desks are asked more often then, and users are reminded where a captcha hides the slots."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest
import redis
import time_machine

from api.models.alert import Alert
from api.models.base import session
from api.models.desk import DeskState
from api.models.discovery import DriftReason
from api.models.notification import Notification
from api.models.user import CONTACT_CHANNELS, Channel, Grant, Role, User
from configs.ground.clock import clock
from configs.world.desk import Desk, Outcome
from configs.world.plan import PlanName, plans
from crawler.incidents import moved_pages
from crawler.planner import Planner
from crawler.reading import Release
from crawler.recording.check_transaction import record_checks
from tests.crawler.checks import check
from tests.crawler.incidents.incidents_world import person, told, waits
from tests.factories import add_desk, change, rows

BEGINS = datetime(2026, 11, 23, 15, tzinfo=UTC)  # Monday, 16:00 in Paris
ENDS, MINUTE = BEGINS + timedelta(hours=3), timedelta(minutes=1)
RELEASES = '    releases: [{day: monday, begins: "16:00", ends: "19:00", source: a test, date: 2026-01-01}]\n'
A = {"desk_id": "evry_91/a"}


pytestmark = pytest.mark.usefixtures("database", "redis_server")


@pytest.fixture
def told_of(
    desk_files: Callable[..., dict[str, Desk]],
    tmp_path: Path,
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> Callable[[str], None]:
    """Write two desks, the first with a publication on Mondays; `more` is another line of it."""

    def write(more: str = "", grade: str = "confirmed") -> None:
        frozen.move_to(BEGINS - timedelta(hours=4))
        desk_files(a="127.77.0.91:8800", b="127.77.0.92:8800", interval=120, grade=grade)
        path = tmp_path / "prefectures" / "evry_91.yaml"
        head, first, second = path.read_text().split("  - slug:")
        path.write_text(f"{head}  - slug:{first}{RELEASES}{more}  - slug:{second}")
        settings_env(PREFECTURES_DIR=path.parent)

    return write


def wishes(planner: Planner, now: datetime) -> list[float | None]:
    planner.run_once(now)
    return [each.wished_seconds for each in rows(DeskState)]


def test_a_desk_is_asked_more_often_while_slots_are_published(
    told_of: Callable[..., None], redis_server: redis.Redis
) -> None:
    told_of()
    waits(person(), A, {"desk_id": "evry_91/b"}, ends=ENDS + timedelta(days=30))
    planner = Planner(redis_server)
    change(Grant, plan=PlanName.URGENCE_24H)  # the dearest plan asks for 30 seconds anyway
    assert wishes(planner, BEGINS - MINUTE) == [120, 120]
    assert wishes(planner, BEGINS) == [30, 120]
    assert wishes(planner, ENDS - MINUTE) == [30, 120]
    assert wishes(planner, ENDS) == [120, 120]


def keeps(*targets: dict[str, str]) -> UUID:
    """Let somebody keep an alert until it can be watched; return the user."""
    who = person()
    alert = waits(who, *targets, ends=BEGINS + timedelta(days=30))
    change(Alert, Alert.id == alert, enabled=False, awaits_watch=True)
    return who


def reminded(now: datetime) -> list[Notification]:
    return [each for each in told(now) if each.kind == "release_soon"]


def test_people_are_reminded_once_before_slots_are_published_that_we_cannot_see(
    told_of: Callable[..., None],
) -> None:
    told_of("    watch: presence\n")
    by_desk, by_procedure = keeps(A), keeps({"prefecture_id": "evry_91", "procedure": "NATURALISATION"})
    waiting = person()
    waits(waiting, A, ends=BEGINS + timedelta(days=30))
    assert reminded(BEGINS - 31 * MINUTE) == []
    found = reminded(BEGINS - 30 * MINUTE)
    assert {each.user_id for each in found} == {by_desk, by_procedure, waiting}
    assert {(each.params["desk"], each.params["begins"]) for each in found} == {
        ("evry_91/a", BEGINS.isoformat())
    }
    assert [reminded(BEGINS + minutes * MINUTE) for minutes in (-10, 0, 1)] == [[], [], []]
    assert len(reminded(BEGINS + timedelta(days=7) - 5 * MINUTE)) == 3


@pytest.mark.parametrize(
    ("quiet", "minutes"),
    [((time(9), time(16)), 7 * 60 + 30), ((time(22), time(16, 30)), 18 * 60 + 30), ((time(9), time(15)), 30)],
)
def test_a_reminder_comes_before_quiet_hours_that_outlast_it(
    told_of: Callable[..., None], quiet: tuple[time, time], minutes: int
) -> None:
    told_of("    watch: presence\n")
    change(User, User.id == keeps(A), quiet_from=quiet[0], quiet_until=quiet[1])
    assert reminded(BEGINS - (minutes + 1) * MINUTE) == []
    assert len(reminded(BEGINS - minutes * MINUTE)) == 1
    assert [reminded(BEGINS - each * MINUTE) for each in (30, 0)] == [[], []]


def test_a_reminder_comes_by_sms_where_the_plan_has_it(told_of: Callable[..., None]) -> None:
    told_of("    watch: presence\n")
    with_sms, without = (person(Role.USER, *CONTACT_CHANNELS) for _ in range(2))
    for each in (with_sms, without):
        waits(each, A, ends=BEGINS + timedelta(days=30))
    smaller = next(
        each.name for each in plans().values() if each.alerts and Channel.SMS.value not in each.channels
    )
    change(Grant, Grant.user_id == without, plan=smaller)
    made = reminded(BEGINS - MINUTE)
    assert {each.channel for each in made if each.user_id == with_sms} == {
        Channel.EMAIL, Channel.SMS, Channel.TELEGRAM,
    }  # fmt: skip
    assert {each.channel for each in made if each.user_id == without} == {Channel.EMAIL, Channel.TELEGRAM}


def test_a_moment_that_the_page_itself_names_is_reminded_of_too(told_of: Callable[..., None]) -> None:
    told_of("    watch: presence\n")
    keeps({"desk_id": "evry_91/a"})
    at = BEGINS - timedelta(hours=2)
    add_desk("evry_91/a", releases_at=at)
    assert reminded(at - 31 * MINUTE) == []
    (row,) = reminded(at - 30 * MINUTE)
    assert row.params == {"desk": "evry_91/a", "begins": at.isoformat(), "ends": None}
    assert reminded(at - 29 * MINUTE) == []


AT = BEGINS - timedelta(hours=2)  # of a release that the desk's page names


@pytest.fixture
def see(told_of: Callable[..., None], frozen: time_machine.Traveller) -> Callable[..., None]:
    """Let a check see releases on the page, of which somebody wants to be reminded: `see(minutes before AT, …)`."""
    told_of("    watch: presence\n")
    keeps(A)
    add_desk("evry_91/a")
    tokens = count(1)

    def check_page(minutes: int, *releases: datetime, outcome: Outcome = Outcome.NO_SLOTS) -> None:
        frozen.move_to(AT - minutes * MINUTE)
        named = tuple(Release(each, each.date(), each.date()) for each in releases)
        ahead = min((each for each in releases if each > clock()), default=None)
        seen = {"started_at": clock(), "outcome": outcome, "publications": named, "releases_at": ahead}
        record_checks([check("a", next(tokens), **seen)])

    return check_page


def begins(minutes: int) -> list[datetime]:
    """Return the releases of which somebody is reminded so long before AT."""
    return sorted(datetime.fromisoformat(each.params["begins"]) for each in reminded(AT - minutes * MINUTE))


def test_each_release_that_the_page_names_is_reminded_of_once_and_none_that_is_over(
    see: Callable[..., None],
) -> None:
    see(60, AT - timedelta(days=7), AT - 45 * MINUTE, AT, AT + 5 * MINUTE)
    assert begins(20) == [AT, AT + 5 * MINUTE]
    see(15, AT, AT + 5 * MINUTE)
    assert begins(10) == []


def test_a_release_that_moved_is_reminded_of_where_it_stands_now(see: Callable[..., None]) -> None:
    see(120, AT)
    see(60, AT + 60 * MINUTE)
    assert [begins(20), begins(0), begins(-40)] == [[], [], [AT + 60 * MINUTE]]


def test_a_release_that_a_later_check_finds_withdrawn_reminds_nobody(see: Callable[..., None]) -> None:
    see(120, AT)
    see(60)
    assert [begins(20), begins(0)] == [[], []]


@pytest.mark.parametrize("outcome", [Outcome.CAPTCHA, Outcome.UNREACHABLE, Outcome.UNREADABLE])
def test_a_check_that_proved_nothing_withdraws_no_release(see: Callable[..., None], outcome: Outcome) -> None:
    see(120, AT)
    see(60, outcome=outcome)
    assert begins(20) == [AT]


@pytest.fixture
def soon(told_of: Callable[[str], None]) -> datetime:
    """Return a moment at which somebody is to be reminded of two publications, by a file and by a page."""
    told_of("    watch: presence\n")
    keeps(A)
    add_desk("evry_91/a", releases_at=BEGINS - 5 * MINUTE)
    return BEGINS - 10 * MINUTE


@pytest.mark.parametrize("reason", list(DriftReason))
def test_nobody_is_sent_to_a_page_that_has_moved_until_it_is_found_again(
    soon: datetime, reason: DriftReason
) -> None:
    with session() as s:
        moved_pages.open_drifts(s, [("evry_91/a", reason, "HTTP 404")], soon)
    assert reminded(soon) == []
    with session() as s:
        moved_pages.end_drifts(s, ["evry_91/a"], soon)
    assert len(reminded(soon)) == 2


def test_nobody_is_sent_to_a_page_that_is_closed(soon: datetime) -> None:
    change(DeskState, last_outcome=Outcome.CLOSED)
    assert reminded(soon) == []
    change(DeskState, last_outcome=Outcome.CAPTCHA)
    assert len(reminded(soon)) == 2
