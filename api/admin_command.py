"""The command `flask admin EMAIL`, which makes the first admin. An admin makes the others by pages."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not imported here
from api.accounts.queries import find_user, has_confirmed_mailbox
from api.admin.audit import Actor, AuditedWork, record_audit
from api.models.audit import ActorKind
from api.models.base import session
from api.models.user import Role, User
from configs.ground.database import database_url
from configs.ground.database_errors import is_away
from configs.ground.logs import set_up_logs
from configs.settings import SettingMissing, SettingsRefused, settings

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
    except DBAPIError as error:
        if not is_away(error):
            raise
        why = str(error.orig).splitlines()[0]
        raise click.ClickException(f"{away or nothing}, the database does not answer: {why}") from None


def _make_admin(email: str, *, another: bool) -> str:
    """Change the role, with its audit row; return a sentence about it."""
    with session() as s:
        user = find_user(s, email)
        if user is None:
            raise click.ClickException(
                f"nobody has the address {email}: register it first (POST /api/auth/register)"
            )
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
