"""Parameters of the pages around a sign-in: the plan and the wish of a new account."""

from urllib.parse import urlencode

from flask import request

from configs.world.plan import PlanName

_NEW_ALERT = "alert_pages.show_new_alert"
_ORDER = "plan.show_order"
_WISH = ("prefecture", "procedure")


def find_wished_plan() -> str:
    """Return the plan that the address names; the empty text without one of ours."""
    named = request.args.get("plan", "")
    return named if named in {each.value for each in PlanName if each is not PlanName.NONE} else ""


def find_next_target() -> str | None:
    """Return the target after the sign-in: the order of a wished plan, or the form of a new alert, with the wish."""
    wish = {name: request.args[name][:200] for name in _WISH if request.args.get(name)}
    if plan := find_wished_plan():
        return f"{_ORDER}?{urlencode({'plan': plan} | wish)}"
    return f"{_NEW_ALERT}?{urlencode(wish)}" if wish else request.args.get("next")
