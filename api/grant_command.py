"""The command `flask grant EMAIL PLAN`, which gives a plan by hand (bought plans come from Stripe)."""

from datetime import timedelta
from typing import Any

import click

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not imported here
from api.accounts.queries import find_user
from api.accounts.service import announce, choose_length
from api.admin.audit import Actor, AuditedWork, record_audit, write_instant
from api.admin_command import refusing
from api.alerts.plan_limits import StartedPlan, start_plan
from api.errors import ApiError
from api.models.audit import ActorKind
from api.models.base import session
from configs.world.plan import PlanName

_NAMES = [name.value for name in PlanName if name is not PlanName.NONE]


@click.command("grant")
@click.argument("email")
@click.argument("plan_name", metavar="PLAN", type=click.Choice(_NAMES))
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    help="Default: as long as the plan lasts, a month for a subscription.",
)
@click.option("--source", default="command", show_default=True, help="Who or what gives it.")
def grant_command(email: str, plan_name: str, days: int | None, source: str) -> None:
    """Give the plan PLAN to the user with the address EMAIL."""
    name = PlanName(plan_name)
    with refusing("nothing was given", "", "redis_url"):
        try:
            given, started = _give_to_address(email, name, choose_length(name, days), source)
        except ApiError as error:
            raise click.ClickException(f"nothing was given: {error}") from None
    announce(started.mails, started.alerts)
    click.echo(given)


def _give_to_address(email: str, name: PlanName, lasts: timedelta, source: str) -> tuple[str, StartedPlan]:
    """Give the plan, with its audit row; return a sentence about it, and what follows."""
    with session() as s:
        user = find_user(s, email)
        if user is None:
            raise click.ClickException(
                f"nobody has the address {email}: register it first (POST /api/auth/register)"
            )
        started = start_plan(s, user, name, lasts, source)
        grant = started.grant
        changes: dict[str, Any] = {"id": str(grant.id), "plan": grant.plan.value}
        changes |= {"startsAt": write_instant(grant.starts_at), "endsAt": write_instant(grant.ends_at)}
        work = AuditedWork(s, Actor(None, ActorKind.COMMAND), changes)
        record_audit(work, "grant.give", "user", user.id)
        lasting = f"from {grant.starts_at:%Y-%m-%d %H:%M} to {grant.ends_at:%Y-%m-%d %H:%M} UTC"
        return f"{user.email} has {name} {lasting}", started
