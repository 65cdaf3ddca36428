"""Simulated EZBooking site: one host, its forms, its rate limits, and its releases."""

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from scrapy import Request
from scrapy.http import Response

from deploy.simulation import pages
from deploy.simulation.rate_limit_rules import Patience, RateLimitRule, Rule
from deploy.simulation.releases import PARIS, Hour, SimulatedRelease

_STEP = re.compile(r"/booking/create/(?P<form>\d+)/(?P<step>\d)$")
_WEEK = re.compile(r"::assign::(?P<form>\d+)::(?P<planning>\d+)::(?P<ahead>\d+)$")
_FORBIDDEN, _FOUND = 403, 302


@dataclass
class SimulatedForm:
    """One desk's page: its plannings (one: no choice is offered) and its releases."""

    number: int
    plannings: tuple[int, ...]
    releases: Sequence[SimulatedRelease] = ()

    def free(self, now: float, planning: int) -> list[Hour]:
        """Return what can be booked now (seconds of the simulation)."""
        return [
            hour
            for release in self.releases
            if release.begins <= now < release.ends
            for hour in release.hours
            if hour.planning == planning and now < hour.ends
        ]


@dataclass
class SimulatedSite:
    """One host. `refusal` is the status of a refused answer: 403 or 429.

    `busiest` is the most requests that reached it within 60 seconds.
    """

    host: str
    forms: dict[int, SimulatedForm]
    rules: Sequence[Rule] = ()
    refusal: int = _FORBIDDEN
    zone: ZoneInfo = PARIS
    asked: int = 0
    refused: int = 0
    busiest: int = 0
    patience: list[Patience] = field(init=False)
    _minute: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.patience = [Patience(rule) for rule in self.rules]

    @property
    def bans(self) -> list[RateLimitRule]:
        """Every ban so far."""
        return [ban for each in self.patience for ban in each.bans]

    def answer(self, request: Request, now: float, instant: datetime) -> Response:
        """Answer as this site does `now` (seconds of the simulation), which is that instant (UTC)."""
        self._count(now)
        found = _STEP.search(request.url) or _WEEK.search(request.url)
        if found is None:
            raise ValueError(f"the simulated site has no {request.url}")
        begins = request.method == "GET" and found.groupdict().get("step") == "0"
        borne = [each.bears(now, begins_visit=begins) for each in self.patience]  # each counts on its own
        if not all(borne):
            self.refused += 1
            return Response(request.url, self.refusal, body=pages.REFUSED)
        form = self.forms[int(found["form"])]
        if "step" in found.groupdict():
            return _Visit(form, request, now).step(int(found["step"]))
        hours = [hour.unix for hour in form.free(now, int(found["planning"]))]
        first = instant.astimezone(self.zone).date() + timedelta(days=int(found["ahead"]))
        return _ok(request, pages.week(form.number, first, _within(hours, first, self.zone)))

    def _count(self, now: float) -> None:
        self.asked += 1
        self._minute.append(now)
        while self._minute[0] <= now - 60:
            self._minute.popleft()
        self.busiest = max(self.busiest, len(self._minute))


class _Visit:
    """One request to a form. The session's cookie holds the chosen planning."""

    def __init__(self, form: SimulatedForm, request: Request, now: float) -> None:
        self._form, self._request, self._now = form, request, now

    def step(self, number: int) -> Response:
        answers: dict[tuple[str, int], Callable[[], Response]] = {
            ("GET", 0): lambda: _ok(self._request, pages.CONDITIONS),
            ("POST", 0): self._accepted,
            ("GET", 1): lambda: _ok(self._request, pages.choice(self._form.plannings)),
            ("POST", 1): self._choose_planning,
            ("GET", 2): lambda: _ok(self._request, pages.FULL),
            ("GET", 3): lambda: self._described(3),
            ("POST", 3): lambda: self._described(4),
        }
        return answers[self._request.method, number]()

    def _accepted(self) -> Response:
        if len(self._form.plannings) > 1:
            return self._to(1)
        return self._to_planning(self._form.plannings[0])

    def _choose_planning(self) -> Response:
        return self._to_planning(int(parse_qs(self._request.body.decode())["planning"][0]))

    def _to_planning(self, planning: int) -> Response:
        return self._to(3 if self._form.free(self._now, planning) else 2, f"eZSESSID={planning}; path=/")

    def _described(self, number: int) -> Response:
        cookie = (self._request.headers.get("Cookie") or b"").decode()
        planning = int(cookie.partition("eZSESSID=")[2].partition(";")[0])
        return _ok(self._request, pages.step(number, self._form.number, planning))

    def _to(self, step: int, cookie: str | None = None) -> Response:
        headers = {"Location": f"/booking/create/{self._form.number}/{step}"}
        return Response(self._request.url, _FOUND, headers | ({"Set-Cookie": cookie} if cookie else {}))


def _ok(request: Request, body: bytes) -> Response:
    return Response(request.url, 200, {"Content-Type": "text/html; charset=utf-8"}, body)


def _within(hours: list[int], first: date, zone: ZoneInfo) -> list[int]:
    days = {first + timedelta(days=ahead) for ahead in range(7)}
    return [hour for hour in hours if datetime.fromtimestamp(hour, zone).date() in days]
