"""Writes who is there during a release, with the code and the tables of the older version, which runs this file."""

import json
import sys
from datetime import timedelta

from api.accounts.passwords import hash_password
from api.models.base import session
from api.models.user import Channel, Contact, Grant, User
from configs.clock import clock
from configs.plan import PlanName
from configs.prefecture import desks
from deploy.chaos.subscribers import settle_in


def main() -> None:
    """Write the subscribers, and users who buy (`buyers`) or have a plan and visit (`visitors`)."""
    given = json.load(sys.stdin)
    now = clock()
    settle_in(desks().values(), now)
    password = hash_password(given["password"])
    with session() as s:
        for email in (*given["buyers"], *given["visitors"]):
            mail = Contact(channel=Channel.EMAIL, address=email, verified_at=now, enabled=True)
            user = User(email=email, password_hash=password, contacts=[mail])
            s.add(user)
            s.flush()
            if email in given["visitors"]:
                begin, end = now - timedelta(days=1), now + timedelta(days=30)
                s.add(
                    Grant(
                        user_id=user.id,
                        plan=PlanName.URGENCE_TOTAL,
                        starts_at=begin,
                        ends_at=end,
                        source="release-check",
                    )
                )


if __name__ == "__main__":
    main()
