"""rdvpref, the present booking site of the prefectures: a landing page, a captcha, and behind it the slots.

Written from what is publicly known of its pages and of its own script; what stands between is ours.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.clock import PARIS, now, today
from deploy.sandbox.modes import MODE
from deploy.sandbox.platform import Form, StandInPlatform
from deploy.sandbox.sites.pages import (
    SessionPages,
    WizardProgress,
    days_from,
    moments,
    moments_on,
    redirect,
    render_page,
)

if TYPE_CHECKING:
    from aiohttp import web

CODE: Final = "SABLE"  # what a person reads in the captcha's picture
_COOKIE: Final = "JSESSIONID"
_ROOT: Final = "/rdvpref/reservation/demarche"
_DAYS: Final = 7


class Rdvpref(SessionPages):
    """The pages of the site."""

    cookie = _COOKIE

    def add_routes(self, app: web.Application) -> None:
        """Add the steps of a procedure; what is no page of one is missing."""
        form = f"{_ROOT}/{{form:\\d+}}"
        app.router.add_get(f"{form}/", self.for_form(self._landing))
        app.router.add_get(f"{form}/cgu/", self.for_form(self._conditions))
        app.router.add_post(f"{form}/cgu/_validerCaptcha", self.for_form(self._submitted))
        app.router.add_get(f"{form}/creneau/", self.for_form(self._slots))
        app.router.add_post(f"{form}/creneau/_reserver", self.for_form(self._reserve))
        super().add_routes(app)

    async def _landing(self, _request: web.Request, form: Form) -> web.StreamResponse:
        return self._page(form, "landing")

    async def _conditions(self, request: web.Request, form: Form) -> web.StreamResponse:
        captcha = request[MODE].name != "without_captcha"
        answer = self._page(form, "conditions", captcha=captcha, refused="error" in request.query)
        if self.sessions.of(request) is None:
            answer.set_cookie(_COOKIE, self.sessions.begin().key, path="/rdvpref", httponly=True)
        return answer

    async def _submitted(self, request: web.Request, form: Form) -> web.StreamResponse:
        session = self.sessions.of(request)
        sent = await request.post()
        if session is None or sent.get("captchaUsercode") != CODE:
            return redirect(self.site, f"{_ROOT}/{form.number}/cgu/?error=invalidCaptcha")
        session.forms[form.number] = WizardProgress(passed=1)
        return redirect(self.site, f"{_ROOT}/{form.number}/creneau/")

    async def _slots(self, request: web.Request, form: Form) -> web.StreamResponse:
        session, mode = self.sessions.of(request), request[MODE]
        if mode.name != "without_captcha" and (session is None or form.number not in session.forms):
            return redirect(self.site, f"{_ROOT}/{form.number}/cgu/")
        minutes = mode.number("release_minutes") if mode.name == "without_captcha" else 0
        return self._page(form, "slots", state=self._state(form, minutes))

    def _state(self, form: Form, release_minutes: float) -> dict[str, Any]:
        """Return what the page gives its script: the days from today, and the next day with a slot if it is later."""
        first = today()
        free = moments(self.site, form.plannings)
        week = moments_on(self.site, form.plannings, days_from(first, _DAYS))
        later = free[0] if free and not week else None
        release = (now() + timedelta(minutes=release_minutes)).astimezone(PARIS)
        agenda = {
            "premierJour": _french(first),
            "nombreDeJour": _DAYS,
            "isDisplayCalendar": True,
            "isCurrentMaxWeek": not free,
            "premiereDispo": _french(later) if later else "",
            "tranches": [_slot_entry(number, moment) for number, moment in enumerate(week)],
            "precedentePub": _publication(release - timedelta(days=7)) if release_minutes else None,
            "prochainePub": _publication(release) if release_minutes else None,
        }
        return {"vueData": {"agenda": agenda}, "componentStates": {}, "uiMessageStack": {}, "vuiLang": "fr"}

    async def _reserve(self, _request: web.Request, form: Form) -> web.StreamResponse:
        self.site.counters.reservations += 1
        return self._page(form, "landing")

    def _page(self, form: Form, name: str, **values: object) -> web.Response:
        base = f"{_ROOT}/{form.number}"
        return render_page(self.site, f"rdvpref/{name}", form=form, base=base, **values)


def _french(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _slot_entry(number: int, moment: datetime) -> dict[str, Any]:
    return {
        "trhId": 5000 + number,
        "dateLocale": _french(moment),
        "minutesDebut": 60 * moment.hour + moment.minute,
    }


def _publication(at: datetime) -> dict[str, str]:
    return {"instantPublication": f"{at:%d/%m/%Y %H:%M}", "dateMin": _french(at), "dateMax": _french(at)}


PLATFORM: Final = StandInPlatform(add_routes=Rdvpref.add_to)
