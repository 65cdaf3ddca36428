"""Pages and DWR answers of eSirius, as its public script and DWR's own code describe them. Nothing of it is recorded."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from crawler.reading import Place, Reading, VisitContext
from tests.crawler import pages

ROOT = "https://rdv-etrangers-94.interieur.gouv.fr/eAppointmentpref94"
DESK = f"{ROOT}/appointment.do?sitekey=P943"
FORM = f"{ROOT}/element/jsp/appointment.jsp"
CALL = f"{ROOT}/dwr/call/plaincall/AjaxMotive.motiveMultiSiteSubmit.dwr"
Write = Callable[[Any], str]
MOTIVES = {"20": "Retrait d'un titre", "120": "Première demande"}
NONE = "Aucun rendez-vous n'est actuellement disponible."
NOTHING = {
    "foundAvailabilities": False,
    "initPreviousSelectedService": False,
    "msg": NONE,
    "overrideValue": None,
}
FOUND = {"foundAvailabilities": True, "initPreviousSelectedService": True, "msg": None, "overrideValue": None}


def whole(content: str) -> str:
    return (
        '<html><head><meta charset="utf-8"><title>Prise de rendez-vous</title></head>'
        f'<body><div id="pane3">{content}</div></body></html>'
    )


def entry() -> str:
    return whole("<p>Chargement en cours</p>")


def motives(offered: Mapping[str, str] | None = None) -> str:
    boxes = "".join(
        f'<div class="motiveField1"><input type="checkbox" name="selectedMotiveKeyList" id="m{key}" value="{key}">'
        f'<label for="m{key}">{label}</label></div>'
        for key, label in (MOTIVES if offered is None else offered).items()
    )
    fields = (
        '<select id="ISiteBeanKeySelect"><option value="">Site</option><option value="site3" selected>Site 3</option></select>'
        '<input type="hidden" id="serviceBeanKey" value="12"><input id="dayValueId" value="23/11/2026">'
        '<select id="hourValueSelect"><option value="09:00">09:00</option></select>'
    )
    return whole(
        f'<form name="form2" method="post" action="appointment.do">{boxes}{fields}<input type="button" id="nextButtonId" value="Suivant"></form>'
    )


def literal(value: Any) -> str:
    """Write a value as DWR 2 does: keys without quotes, what is not ASCII escaped."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(literal, value)) + "]"
    return json.dumps(value).replace("'", "\\'")


def second(value: Any) -> str:
    """Answer as version 2 does."""
    head = "throw 'allowScriptTagRemoting is false.';\r\n//#DWR-INSERT\r\n//#DWR-REPLY\r\n"
    return f"{head}dwr.engine._remoteHandleCallback('0','0',{literal(value)});\r\n"


def by_variables(value: Mapping[str, Any]) -> str:
    """Answer as version 2 does with objects that it names."""
    lines = "var s0={};" + "".join(f"s0.{key}={literal(each)};" for key, each in value.items())
    return second(1).replace("dwr.engine._", f"{lines}\r\ndwr.engine._").replace("'0',1)", "'0',s0)")


def third(value: Any) -> str:
    """Answer as version 3 does."""
    return (
        "throw 'allowScriptTagRemoting is false.';\n//#DWR-INSERT\n//#DWR-REPLY\n//#DWR-START#\n(function(){\n"
        "if(!window.dwr)return;\nvar dwr=window.dwr._[0];\n"
        f'dwr.engine.remote.handleCallback("0","0",{literal(value)});\n}})();\n//#DWR-END#\n'
    )


def failed(message: str) -> str:
    return second(1).replace(
        "dwr.engine._remoteHandleCallback('0','0',1);",
        f"dwr.engine._remoteHandleException('0','0',{{javaClassName:\"java.lang.Throwable\",message:\"{message}\"}});",
    )


def refused(message: str) -> str:
    name = "org.directwebremoting.extend.ServerException"
    return (
        "//#DWR-REPLY\r\nif (window.dwr) dwr.engine._remoteHandleBatchException"
        f"({{ name:'{name}', message:'{message}' }});\r\nelse if (window.parent.dwr) "
        f"window.parent.dwr.engine._remoteHandleBatchException({{ name:'{name}', message:'{message}' }});\r\n"
    )


def visit(url: str = DESK, **how: Any) -> VisitContext:
    return pages.visit(url, name="esirius", **how)


def read(body: str, *, step: str = "call", key: str = "20", of: VisitContext | None = None) -> Reading:
    """Interpret an answer as the crawl does."""
    url, place = {"entry": DESK, "motives": FORM}.get(step, CALL), Place(key if step == "call" else "")
    return pages.read(body, name="esirius", url=url, step=step, place=place, of=of or visit())
