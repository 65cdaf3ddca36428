"""eSirius (eAppointment): an entry that opens a session, a page of motives, and DWR calls that say what is free.

Written from its public script and from how DWR is known to speak (a batch of lines in, JavaScript out); the page's
words are ours.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.clock import today
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.pages import SessionPages, WizardProgress, render_page

if TYPE_CHECKING:
    from deploy.sandbox.platform import Form

_COOKIE: Final = "JSESSIONID"
_CHOSEN: Final = re.compile(r"Object_Object:\{(\d+):reference:(c0-e\d+)\}")
_CALLS: Final = {  # and where each has its motive
    "AjaxMotive.motiveMultiSiteSubmit": "c0-param1",
    "AjaxSelectionFormFeeder.getUpdatedAvailabilities": "c0-param2",
}
_NOTHING: Final = "Aucun rendez-vous n'est disponible pour ce motif."


class Appointment(SessionPages):
    """The pages of the site, and its calls."""

    cookie = _COOKIE

    def add_routes(self, app: web.Application) -> None:
        """Add them; what is none is missing."""
        root = "/eAppointment{form:\\d+}"
        app.router.add_get(f"{root}/appointment.do", self.for_form(self._entry))
        app.router.add_get(f"{root}/element/jsp/appointment.jsp", self.for_form(self._motives))
        app.router.add_post(f"{root}/dwr/call/plaincall/{{script}}.{{method}}.dwr", self._answer_call)
        super().add_routes(app)

    async def _entry(self, request: web.Request, form: Form) -> web.StreamResponse:
        """Open a session for the site that the key names."""
        if request.query.get("sitekey") != f"S{form.number}":
            return await self.missing(request)
        session = self.sessions.of(request) or self.sessions.begin()
        session.forms[form.number] = WizardProgress(passed=1)
        answer = self._page("entry", form)
        answer.set_cookie(_COOKIE, session.key, path=f"/eAppointment{form.number}", httponly=True)
        answer.set_cookie("ID_ROUTE_GFA", ".worker_gfa1", path="/")
        return answer

    async def _motives(self, request: web.Request, form: Form) -> web.StreamResponse:
        if not self._has_session(request, form):
            return self._page("expired", form)
        tomorrow = today() + timedelta(days=1)
        return self._page("motives", form, today=f"{tomorrow:%d/%m/%Y}")

    async def _answer_call(self, request: web.Request) -> web.StreamResponse:
        """Answer a call; what is none, or comes without its session, is answered by an exception."""
        form = self.site.form_of(request)
        body = (await request.read()).decode()
        lines = dict(line.split("=", 1) for line in body.splitlines() if "=" in line)
        script, method = request.match_info["script"], request.match_info["method"]
        wanted = {"callCount": "1", "c0-scriptName": script, "c0-methodName": method, "c0-id": "0"}
        if form is None or request.content_type != "text/plain" or not wanted.items() <= lines.items():
            return self._script(_batch_exception("ServerException", "The call is malformed."))
        if not self._has_session(request, form):
            return self._script(_batch_exception("SecurityException", "Session Error"))
        if method == "confirmAppointment":
            self.site.counters.reservations += 1
        value = self._answer(form, f"{script}.{method}", lines)
        return self._script(f"dwr.engine._remoteHandleCallback('{lines['batchId']}','0',{_literal(value)});")

    def _answer(self, form: Form, call: str, lines: dict[str, str]) -> object:
        """Say whether the motive that a call names has open slots."""
        chosen = _CHOSEN.fullmatch(lines.get(_CALLS.get(call, ""), ""))
        if chosen is None or lines.get(chosen[2]) != "number:1":
            return None
        free = self.site.agenda.slots(self.site.agenda.planning(form, int(chosen[1])))
        if call.startswith("AjaxSelection"):
            return [{"areaKey": number, "selected": False} for number, _ in enumerate(free)]
        return {"foundAvailabilities": bool(free), "msg": None if free else _NOTHING, "overrideValue": None}

    def _has_session(self, request: web.Request, form: Form) -> bool:
        session = self.sessions.of(request)
        return session is not None and form.number in session.forms

    def _page(self, name: str, form: Form, **values: object) -> web.Response:
        root = f"/eAppointment{form.number}"
        return render_page(self.site, f"esirius/{name}", form=form, root=root, **values)

    def _script(self, text: str) -> web.Response:
        head = "throw 'allowScriptTagRemoting is false.';\r\n//#DWR-INSERT\r\n//#DWR-REPLY\r\n"
        return web.Response(
            text=f"{head}{text}\r\n", content_type="text/javascript", headers=self.site.headers()
        )


def _literal(value: object) -> str:
    """Write a value as DWR does: the keys of an object bare, what is not ASCII escaped."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_literal, value)) + "]"
    return json.dumps(value).replace("'", "\\'")


def _batch_exception(name: str, message: str) -> str:
    said = f"{{ name:'{name}', message:'{message}' }}"
    return f"if (window.dwr) dwr.engine._remoteHandleBatchException({said});"


PLATFORM: Final = StandInPlatform(add_routes=Appointment.add_to)
