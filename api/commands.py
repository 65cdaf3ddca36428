"""Commands of `flask`.

`admin EMAIL` makes the first admin, who makes the others by pages. `grant EMAIL PLAN` gives a plan by hand: bought ones
come from Stripe. `transfer PAYMENT CENTS NOTE` writes down a refund that left by a bank transfer; `received INVOICE
CENTS NOTE` that an organisation's transfer came, or that it owes less. `bounces` decides about contacts that too many
answers would end at once. `forget` repeats deletions: a restore of an earlier instant brings deleted accounts back.
`push-keys` draws the pair of keys of web push. `rekey` brings encrypted columns and look-up hashes under the newest
keys.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TextIO
from uuid import UUID

import click
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not imported here
from api.accounts.queries import find_user, has_confirmed_mailbox
from api.accounts.service import choose_length
from api.admin.audit import Actor, AuditedWork, record_audit, write_instant
from api.admin.payments.service import describe_refund
from api.alerts.plan_limits import start_plan
from api.ground.errors import ApiError
from api.models.audit import ActorKind
from api.models.base import database_clock, session
from api.models.key_renewal import count_stale_rows, renew_tables
from api.models.payment import Payment
from api.models.provider_event import ProviderEvent, is_held
from api.models.user import Role, User
from api.payments.gateway.errors import StripeAway
from api.payments.ledger.book import read_balances
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import record_transfer
from api.payments.ledger.stripe_ids import read_id
from api.payments.organisations.service import record_received
from api.privacy.access import delete_named
from configs.ground.database import database_url
from configs.ground.database_errors import passes
from configs.ground.logs import set_up_logs
from configs.ground.push_keys import draw_keys
from configs.settings import SettingMissing, SettingsRefused, settings
from configs.world.plan import PlanName

_LOCAL = "; a stack that runs here is joined by: set -a; . .state/env; set +a"
_FACTOR = "sign in and set up a second factor (/securite): without one the pages of operators show nothing"


@click.command("admin")
@click.argument("email")
@click.option(
    "--another", is_flag=True, help="Also where there is an admin, such as one who cannot sign in any more."
)
def admin_command(email: str, *, another: bool) -> None:
    """Make the user with the address EMAIL the first admin."""
    with refusing("nothing was changed"):
        click.echo(_make_admin(email, another=another))


@contextmanager
def refusing(nothing: str, away: str = "", *needed: str) -> Iterator[None]:
    """Run the work of a command, once the settings that it needs are there; end it by one line where it cannot be done.

    `nothing` says that nothing was done; `away` the same of a database that went away meanwhile.
    """
    try:
        set_up_logs("api")
        database_url()
        for each in needed:
            settings().require(each)
        yield
    except (SettingMissing, SettingsRefused) as error:
        raise click.ClickException(f"{nothing}: {error}{_LOCAL}") from None
    except (ApiError, StripeAway) as error:
        raise click.ClickException(f"{nothing}: {error}") from None
    except DBAPIError as error:
        if not passes(error):
            raise
        why = str(error.orig).splitlines()[0]
        raise click.ClickException(f"{away or nothing}: the database refused: {why}") from None


def _find_user(s: Session, email: str) -> User:
    if user := find_user(s, email):
        return user
    raise click.ClickException(f"nobody has the address {email}: register it first (POST /api/auth/register)")


def _make_admin(email: str, *, another: bool) -> str:
    """Change the role, with its audit row; return a sentence about it."""
    with session() as s:
        user = _find_user(s, email)
        if not has_confirmed_mailbox(s, user.id):
            raise click.ClickException(
                f"anybody may have registered {email}: confirm the address first, by the link in the mail"
            )
        if not another and s.scalar(sa.select(sa.func.count()).where(User.role == Role.ADMIN)):
            raise click.ClickException(
                "there is an admin already, who can make others on the page of a user;"
                " use --another where nobody can sign in as admin"
            )
        work = AuditedWork(s, Actor(None, ActorKind.COMMAND), {"role": [user.role.value, Role.ADMIN.value]})
        user.role, user.factor_ends_at = Role.ADMIN, None  # support may have asked for that end
        record_audit(work, "user.role", "user", user.id)
        return f"{user.email} is an admin" + ("" if user.has_second_factor else f"; now {_FACTOR}")


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
        click.echo(_give_to_address(email, name, choose_length(name, days), source))


def _give_to_address(email: str, name: PlanName, lasts: timedelta, source: str) -> str:
    """Give the plan, with its audit row; return a sentence about it."""
    with session() as s:
        user = _find_user(s, email)
        grant = start_plan(s, user, name, lasts, source)
        changes: dict[str, Any] = {"id": str(grant.id), "plan": grant.plan.value}
        changes |= {"startsAt": write_instant(grant.starts_at), "endsAt": write_instant(grant.ends_at)}
        work = AuditedWork(s, Actor(None, ActorKind.COMMAND), changes)
        record_audit(work, "grant.give", "user", user.id)
        lasting = f"from {grant.starts_at:%Y-%m-%d %H:%M} to {grant.ends_at:%Y-%m-%d %H:%M} UTC"
        return f"{user.email} has {name} {lasting}"


@click.command("transfer")
@click.argument("payment", metavar="PAYMENT")
@click.argument("cents", type=click.IntRange(1))
@click.argument("note")
def transfer_command(payment: str, cents: int, note: str) -> None:
    """Write that CENTS of PAYMENT (its order number, or our id) left by a bank transfer; NOTE: its reference."""
    with refusing("nothing was written", "", "redis_url"):
        click.echo(_write_transfer(payment, cents, note))


def _write_transfer(named: str, cents: int, note: str) -> str:
    with session() as s:
        mine = sa.select(Payment.id).where(
            (Payment.order_number == named.upper()) | (Payment.id == read_id(named))
        )
        payment_id = s.scalar(mine)
        if payment_id is None:
            raise click.ClickException(f"no payment has the number or the id {named}: see /admin/paiements")
        refund = record_transfer(s, lock_payment(s, payment_id), cents, note)
        work = AuditedWork(s, Actor(None, ActorKind.COMMAND), describe_refund(refund))
        record_audit(work, "payment.transfer", "payment", payment_id)
        left = read_balances(s, payment_id).unordered
        return f"{cents} cents of payment {named} left by a transfer; {left} cents are still owed"


@click.command("received")
@click.argument("invoice", metavar="INVOICE")
@click.argument("cents", type=click.IntRange(1))
@click.argument("note")
@click.option(
    "--waive", is_flag=True, help="No money came: so many of the cents are not due, and NOTE says why."
)
def received_command(invoice: str, cents: int, note: str, *, waive: bool) -> None:
    """Write that CENTS of what is due of an organisation's INVOICE (a number) came by a transfer; NOTE: its words."""
    with refusing("nothing was written", "", "redis_url"):
        payment_id = record_received(invoice, cents, note, waives=waive)
        with session() as s:
            work = AuditedWork(s, Actor(None, ActorKind.COMMAND), {"amount": cents, "note": note})
            record_audit(work, "payment.waive" if waive else "payment.received", "payment", payment_id)
    click.echo(f"{invoice}: {cents} cents {'are not due' if waive else 'came'}")


@click.command("bounces")
@click.argument("act", type=click.Choice(["list", "apply", "drop"]))
@click.argument("provider", required=False)
def bounces_command(act: str, provider: str | None) -> None:
    """Show, apply or drop the bounces that are held because too many contacts would end at once; of PROVIDER or all."""
    with refusing("nothing was changed"), session() as s:
        e = ProviderEvent
        held = is_held() if provider is None else sa.and_(is_held(), e.provider == provider)
        found = sa.select(
            e.provider, e.code, sa.func.min(e.received_at), sa.func.count(e.contact_id.distinct())
        )
        for name, code, since, number in s.execute(found.where(held).group_by(e.provider, e.code)).all():
            click.echo(f"{name}  {since:%Y-%m-%d %H:%M} UTC  {number} contacts  {code or 'no code'}")
        if act == "list":
            return
        now = database_clock(s)
        # What is due before its week is over is applied (notifier/applied_receipts.py).
        values = {"next_attempt_at": now} if act == "apply" else {"next_attempt_at": None, "applied_at": now}
        number = len(s.scalars(sa.update(e).where(held).values(values).returning(e.id)).all())
        work = AuditedWork(s, Actor(None, ActorKind.COMMAND), {"number": number})
        record_audit(work, f"bounces.{act}", "provider", provider)
    click.echo(f"{number} answers: {act}")


@click.command("forget")
@click.argument("ids", type=click.File(), default="-")
def forget_command(ids: TextIO) -> None:
    """Delete the accounts whose ids the file IDS names, one a line, as their owners did; `-` reads standard input."""
    with refusing("nothing was deleted", "not all are deleted", "redis_url"):
        known = set(_list_known(ids))
        kept = sorted(str(each) for each in known if not _forget(each))
    click.echo(f"{len(known) - len(kept)} accounts deleted")
    if kept:
        raise click.ClickException(
            f"operators' accounts are kept: make them plain ones first: {', '.join(kept)}"
        )


def _list_known(file: TextIO) -> Iterator[UUID]:
    """Yield the ids that name an account, after the whole file was read: one wrong line stops all deletions."""
    try:
        wanted = [UUID(line.strip()) for line in file if line.strip()]
    except ValueError:
        raise click.ClickException("nothing was deleted: a line is no id of an account") from None
    with session() as s:
        yield from (each for each in wanted if s.scalar(sa.select(User.id).where(User.id == each)))


def _forget(user_id: UUID) -> bool:
    try:
        delete_named(user_id)
    except ApiError as error:
        return error.status == 401  # noqa: PLR2004 -- its owner was quicker
    return True


@click.command("push-keys")
def push_keys_command() -> None:
    """Draw a new pair of keys for web push, as lines of an environment file. Nothing is changed."""
    private_key, public_key = draw_keys()
    click.echo(f"VAPID_PRIVATE_KEY={private_key}\nVAPID_PUBLIC_KEY={public_key}")


@click.command("rekey")
@click.option(
    "--check", is_flag=True, help="Change nothing; say how many rows need it, and end with 1 if any do."
)
def rekey_command(*, check: bool) -> None:
    """Re-encrypt with the first of DATA_KEYS, and hash again with all of LOOKUP_KEY.

    Programs may run meanwhile, if all of them know the new keys. Run it once more after a key was taken away.
    """
    with refusing("nothing was changed", "stopped; run it again to go on"):
        if check:
            _check_tables()
            return
        changed, unreadable, taken = renew_tables()
    click.echo(f"{changed} rows encrypted anew")
    if unreadable or taken:
        raise click.ClickException(
            f"{unreadable} rows need a key that DATA_KEYS does not have: give it back and run this again; "
            f"{taken} contacts have an address that another account has: they are switched off"
        )


def _check_tables() -> None:
    """Print how many rows are not under the first keys, and fail where there are any."""
    with session() as s:
        rows, contacts = count_stale_rows(s)
    click.echo(f"{rows + contacts} rows need `flask rekey`: {rows} encrypted, {contacts} hashed")
    if rows or contacts:
        raise click.exceptions.Exit(1)
