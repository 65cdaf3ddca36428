"""The filled world of the pictures: 90 days of watching, accounts, money, and what operators see.

It is drawn from a fixed seed, so that two runs on one day show the same pages.
"""

import os
from random import Random
from uuid import UUID

import sqlalchemy as sa

from api.models.notification import Announcement
from api.payments.billing.referrals import write_friend_link
from configs.ground.clock import clock
from configs.ground.signing import (
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    StopAlerts,
    WithdrawOrder,
    write_token,
)
from tests import factories
from tests.lab.bench.figures import forget
from tests.lab.bench.servers import Servers
from tests.lab.pictures.accounts import ask_for_codes, write_people
from tests.lab.pictures.history import write_watching
from tests.lab.pictures.operations import CUSTOMER, DETECTION, EVENT, GRANT, write_customer, write_operations
from tests.lab.pictures.payments import name_notice, write_invoices, write_payments, write_use

_SEED = 7


def write_world(made: Servers) -> dict[str, str]:
    """Write all rows with this process's settings those of these servers; return the ids that addresses carry."""
    os.environ |= made.environment
    forget()
    ids = write_rows()
    with made.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE)"))
    return ids


def write_rows() -> dict[str, str]:
    """Write all rows to the database of the settings; return those ids."""
    write_watching(Random(_SEED))
    ids = write_people()
    payment = write_payments(ids["camille"])
    write_use(ids["organisation"], ids["camille"])
    invoice = write_invoices(payment)
    write_operations(ids["operator"])
    write_customer()
    ask_for_codes()
    links = {
        "stop": StopAlerts((ids["active"],)),
        "unsubscribe": StopAlerts((ids["active"],) * 2),  # as a mail about several alerts has it
        "cancel": CancelOrder(payment),
        "confirm_cancel": ConfirmCancellation(name_notice(payment)),
        "withdraw": WithdrawOrder(payment),
        "confirm": ConfirmDeclaration(payment),
    }
    ids |= {"payment": payment, "invoice": invoice, "candidate": factories.add_candidate()}
    texts = {"fr": ["Nos conditions changent", "Elles valent à partir du 1er mars."]}
    ids["announcement"] = factories.save(Announcement(is_news=False, texts=texts, created_at=clock())).id
    request = factories.add_support_request(CUSTOMER)
    ids |= {"detection": DETECTION, "grant": GRANT, "user": CUSTOMER}
    tokens = {name: write_token(link) for name, link in links.items()}
    tokens["friend"] = write_friend_link(UUID(str(ids["camille"]))).rpartition("/")[2]
    return {name: str(each) for name, each in ids.items()} | tokens | {"event": EVENT, "request": request}
