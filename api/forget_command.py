"""The command `flask forget`, which repeats deletions: a restore of an earlier instant brings deleted accounts back."""

from collections.abc import Iterator
from typing import TextIO
from uuid import UUID

import click
import sqlalchemy as sa

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not imported here
from api.admin_command import refusing
from api.deletion.access import delete_named
from api.errors import ApiError
from api.models.base import session
from api.models.user import User


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
