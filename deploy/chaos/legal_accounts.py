"""Account of what the law asks for: withdrawals, documents, exports and deletions of a run."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import redis
import sqlalchemy as sa

from api.models.book import BookTransaction
from api.models.export import Export
from api.models.invoice import Invoice, InvoiceCounter, InvoiceKind
from api.models.payment import Payment, Refund, RefundStatus, StripeId
from configs.clock import clock
from deploy.chaos.deletion_accounts import check_last_mails, find_in_logs, find_in_redis, find_in_tables
from deploy.chaos.document_accounts import DocumentAccount, settle_documents
from deploy.chaos.inbox import InboxReader
from deploy.chaos.journal import OpeningJournal
from deploy.chaos.shop import Shop
from deploy.chaos.withdrawal_accounts import settle_withdrawals
from deploy.chaos.withdrawal_rows import find_running_contracts, read_withdrawals

_LETTERS = {InvoiceKind.INVOICE: "F", InvoiceKind.CREDIT_NOTE: "A"}


@dataclass(frozen=True)
class LegalGround:
    """Where the account is read: our tables, Redis and logs, the shop with its stand-in, the inbox."""

    engine: sa.Engine
    redis: redis.Redis
    logs: Path
    shop: Shop
    inbox: InboxReader
    journal: OpeningJournal


@dataclass
class LegalAccount:
    """Numbers of a run, and every difference in words."""

    withdrawals: int = 0
    cents: int = 0  # that went back by withdrawals
    invoices: int = 0
    credit_notes: int = 0
    exports: int = 0
    deletions: int = 0
    copies_allowed: int = 0
    differences: list[str] = field(default_factory=list)


def wait_for_law(ground: LegalGround, patience: float) -> LegalAccount:
    """Do the account until nothing is wrong, for so many seconds at most."""
    end = time.monotonic() + patience
    while True:
        ground.shop.consumers.finish_leaving()
        account = read_account(ground)
        if not account.differences or time.monotonic() > end:
            return account
        time.sleep(2)


def read_account(ground: LegalGround) -> LegalAccount:
    """Do the account now."""
    control, consumers, mails = ground.shop.control, ground.shop.consumers, ground.inbox.mails()
    # Stripe's side first: what happens in between is news here, and waits.
    ledger = control.ledger()
    contracts = {each["id"]: each["status"] for each in control.objects("subscription")}
    with ground.engine.connect() as connection:
        ours = read_withdrawals(connection, ledger, clock())
        running = find_running_contracts(connection, ours, contracts)
        documents = _settle_documents(connection)
        exports = connection.execute(sa.select(Export.id, Export.ready_at)).all()
    withdrawn = settle_withdrawals(ours, map(str, consumers.answered), mails, ground.journal)
    former = consumers.former
    return LegalAccount(
        withdrawals=withdrawn.applied,
        cents=withdrawn.cents,
        invoices=documents.invoices,
        credit_notes=documents.credit_notes,
        exports=sum(each.ready_at is not None for each in exports),
        deletions=len(former),
        copies_allowed=withdrawn.copies_allowed,
        differences=[
            *withdrawn.differences,
            *running,
            *documents.differences,
            *(f"still waits: export {each.id}" for each in exports if each.ready_at is None),
            *(f"{each.email}: the deletion has no answer" for each in consumers.leaving),
            *check_last_mails(former, mails, ground.journal),
            *(find_in_tables(ground.engine, former) + find_in_redis(ground.redis, former) if former else ()),
            *find_in_logs(ground.logs, [each.buyer.name for each in former]),
        ],
    )


def _settle_documents(connection: sa.Connection) -> DocumentAccount:
    paid = sa.select(Payment.id, Payment.amount_cents).where(
        Payment.paid_at.is_not(None), Payment.amount_cents > 0
    )
    back = (
        sa.select(BookTransaction.id, Refund.amount_cents)
        .join(StripeId, StripeId.refund_id == Refund.id)
        .outerjoin(BookTransaction, BookTransaction.cause == StripeId.id + ":succeeded")
        .where(Refund.status == RefundStatus.SUCCEEDED)
    )
    counted = connection.execute(sa.select(InvoiceCounter.__table__)).all()
    return settle_documents(
        [Invoice(**row) for row in connection.execute(sa.select(Invoice.__table__)).mappings()],
        {str(key): cents for key, cents in connection.execute(paid)},
        {str(key): cents for key, cents in connection.execute(back)},
        {f"{_LETTERS[InvoiceKind(each.kind)]}{each.year}": each.last_number for each in counted},
    )
