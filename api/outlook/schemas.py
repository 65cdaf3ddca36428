"""Bodies of the advice for a wish: what is watched, how often slots opened, what an alert costs, what else there is."""

from datetime import datetime

from pydantic import Field

from api.ground.schemas import Answer, Body, PlanAnswer
from api.models.watchability import Hindrance
from api.prefectures.schemas import AnswerRates, DeskAnswer
from api.prefectures.watch_states import Announcer
from configs.world.desk import Procedure


class OutlookQuery(Body):
    """What the person comes for."""

    procedure: Procedure


class HeatCell(Answer):
    """An hour of the week in the prefecture's own time: how often slots opened in it, and how many."""

    weekday: int = Field(ge=1, le=7, description="1 is Monday")
    hour: int = Field(ge=0, le=23)
    openings: int
    slots: int


class OpeningHistory(Answer):
    """How often slots of a desk opened between two instants, told with the delay of all public pages.

    An opening is a check that saw slots which were not open before. `cells` are the hours with an opening. `medianLife`
    (seconds) is that of `lives` slots that were taken or whose moment came; null without any. `watchedDays` are the
    days with a proven answer, `provenChecks` those answers: few of them, and no openings mean little.
    """

    begins_at: datetime
    ends_at: datetime
    openings: int
    slots: int
    median_life: float | None
    lives: int
    watched_days: int
    proven_checks: int
    cells: list[HeatCell]


class OpeningRecord(Answer):
    """How often slots of one or more desks opened in ninety days, told with the delay of all public pages.

    `medianLife` (seconds) is that of `lives` slots, as in a history. `openedWeeks` of `watchedWeeks` had an opening.
    """

    openings: int
    slots: int
    lives: int
    median_life: float | None
    watched_weeks: int
    opened_weeks: int


class WatchFacts(Answer):
    """How desks are watched that a person may wait for together, as advice and order say it before a price.

    `notWatchable` hinders the best of them; `feasibleInterval` (seconds) is that of the slowest that is watched.
    """

    not_watchable: Hindrance | None
    sure_until: datetime | None
    last_proven_at: datetime | None
    is_overloaded: bool
    feasible_interval: float | None
    record: OpeningRecord


class ReleaseTime(Answer):
    """When slots are put on line, as the desk's own page says or another source; a page names no end."""

    begins_at: datetime
    ends_at: datetime | None
    announced_by: Announcer


class OutlookDesk(DeskAnswer):
    """One desk that serves the wish. `answers`: how its alerts of the last twelve months ended."""

    history: OpeningHistory
    answers: AnswerRates
    next_release: ReleaseTime | None


class PlanOffer(PlanAnswer):
    """A plan that carries the alert; `expectedInterval` (seconds) is the slower of what plan and site allow."""

    expected_interval: float


class OtherPlace(Answer):
    """Another prefecture whose slots for the same procedure are seen; `distance` is in kilometres, by air."""

    prefecture_id: str
    name: str
    department: str
    desk_ids: list[str]
    distance: int


class UnwatchedAnswer(Answer):
    """Why no slots for the wish are seen, and what there is instead.

    `reason` is what POST /api/alerts answers. With `acceptWaiting` it saves an alert without a plan, whose user is told
    when the slots can be watched.
    """

    reason: str
    site: str = Field(description="Where the prefecture itself says how to book")
    next_release: ReleaseTime | None
    people_waiting: int | None = Field(
        description="How many wait for that here, rounded down to tens; null below ten"
    )
    seen_here: list[str] = Field(
        description="Desks of this prefecture that are watched, for other procedures"
    )
    other_places: list[OtherPlace]


class Outlook(Answer):
    """Advice for a wish. `unwatched` is null where an alert can be had; otherwise `plans` is empty."""

    prefecture_id: str
    name: str
    department: str
    time_zone: str
    procedure: Procedure
    facts: WatchFacts | None
    desks: list[OutlookDesk]
    plans: list[PlanOffer]
    unwatched: UnwatchedAnswer | None
