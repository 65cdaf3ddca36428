"""View data of a return from Checkout: parameters of the dashboard's address."""

from flask import request

from configs.world.plan import PlanName, name_plan


def find_paid_plan() -> str | None:
    """Return the name of the plan that Checkout's return names, if it is one of ours."""
    named = request.args.get("plan", "")
    return name_plan(PlanName(named)) if named in set(PlanName) and named != PlanName.NONE else None
