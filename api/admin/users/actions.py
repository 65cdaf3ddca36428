"""Actions of operators on users, for the API and the pages: audited, with what follows after the commit."""

from uuid import UUID

import notifier
from api.admin.access import audited
from api.admin.users import queries, service
from api.admin.users.schemas import GrantEntry, NewGrant, UserDetails
from api.logins.factor_end import ASKED
from api.models.user import Role

_NOTED = {"id", "plan", "starts_at", "ends_at"}  # of a grant, in the audit


def change_role(user_id: UUID, role: Role) -> UserDetails:
    """Give a user another role.

    Raises:
        api.errors.ApiError: as api.admin.users.service.change_role.
    """
    with audited("user.role", "user", user_id) as work:
        work.changes.update(service.change_role(work.session, work.actor.id, user_id, role))
        return queries.read_user(work.session, user_id, full=True)


def send_return_mail(user_id: UUID) -> None:
    """Send the mailbox that an account left the link that takes it back once more.

    Raises:
        api.errors.ApiError: as api.admin.users.service.send_return_mail.
    """
    with audited("user.return_mail", "user", user_id) as work:
        mails = service.send_return_mail(work.session, user_id)
    notifier.nudge(mails)


def end_factor(user_id: UUID, reason: str) -> None:
    """Have a lost second factor end after its waiting time, and tell every contact now.

    Raises:
        api.errors.ApiError: as api.admin.users.service.end_factor.
    """
    with audited(ASKED, "user", user_id) as work:
        changes, mails = service.end_factor(work.session, work.actor, user_id)
        work.changes.update(changes | {"reason": reason})
    notifier.nudge(mails)


def keep_factor(user_id: UUID) -> None:
    """Take back that a second factor ends.

    Raises:
        api.errors.ApiError: as api.admin.users.service.keep_factor.
    """
    with audited("user.keep_factor", "user", user_id) as work:
        work.changes.update(service.keep_factor(work.session, user_id))


def give_grant(user_id: UUID, wish: NewGrant, seen_grants: str | None = None) -> GrantEntry:
    """Give a user a plan; one that runs already is extended. `seen_grants`: as of the service.

    Raises:
        api.errors.ApiError: as api.admin.users.service.give_grant.
    """
    with audited("grant.give", "user", user_id) as work:
        started = service.give_grant(work.session, user_id, wish, seen_grants)
        answer = GrantEntry.model_validate(started.grant)
        work.changes.update(answer.model_dump(mode="json", by_alias=True, include=_NOTED))
    notifier.nudge(started.mails)
    for alert_id in started.alerts:
        notifier.catch_up(alert_id)
    return answer


def end_grant(user_id: UUID, grant_id: UUID) -> None:
    """End a grant now; one that has not begun is removed.

    Raises:
        api.errors.ApiError: as api.admin.users.service.end_grant.
    """
    with audited("grant.end", "grant", grant_id) as work:
        ended = service.end_grant(work.session, user_id, grant_id)
        work.changes.update(ended.changes)
    notifier.nudge(ended.mails)
