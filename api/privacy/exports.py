"""Exports as their users see them: asking for one, how far it is, its file, and the tables whose rows it has.

A test walks the foreign keys of all tables that lead to a user: each such table is listed here. `audit` has no key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.ground.errors import ApiError, not_found
from api.ground.translations import mark
from api.models.alert import Alert, AlertTarget
from api.models.answer import MatchAnswer
from api.models.appointment import Appointment
from api.models.audit import AuditEntry
from api.models.base import Base, new_id, session
from api.models.book import BookLine
from api.models.candidate import Candidate
from api.models.contact_lookup import PhoneCode, TelegramLink
from api.models.declaration import Declaration
from api.models.invoice import Invoice
from api.models.login import Identity, Login, PendingRegistration
from api.models.notification import Match, Notice, Notification
from api.models.organisation import Beneficiary, Member
from api.models.payment import (
    Payment,
    PaymentEvent,
    PlanCredit,
    Referral,
    Refund,
    StripeId,
    Subscription,
    Unwatched,
    WatchCredit,
)
from api.models.provider_event import ProviderEvent
from api.models.report import PageOpening, Report, Reporter, Vouch
from api.models.stripe_event import PaymentDifference
from api.models.support import SupportRequest
from api.models.user import Contact, Export, Grant, User
from configs.ground.clock import clock
from configs.ground.encryption import DecryptionFailed, decrypt_file
from configs.ground.object_store import NoBlob, StoreAway, export_blobs

KEPT_FOR = timedelta(days=1)
log = structlog.get_logger(__name__)


def read_export(s: Session, user_id: UUID) -> Export | None:
    """Return the user's export; None where there is none, or it is over."""
    mine = sa.select(Export).where(Export.user_id == user_id, ~_is_over(clock()))
    return s.scalars(mine).one_or_none()


def start_export(s: Session, user_id: UUID) -> Export:
    """Return the user's export, a new one where there is none; nudge `make_exports` after the commit."""
    known = read_export(s, user_id)
    if known:
        return known
    lock_user(s, user_id)
    now = clock()
    s.execute(sa.delete(Export).where(Export.user_id == user_id, _is_over(now)))
    wish = insert(Export).values(id=new_id(), user_id=user_id, requested_at=now, next_attempt_at=now)
    s.execute(wish.on_conflict_do_nothing(index_elements=[Export.user_id]))
    return s.scalars(sa.select(Export).where(Export.user_id == user_id)).one()


def open_file(export: Export | None) -> bytes:
    """Return the ZIP of an export that is ready. No transaction may be open: the store may take its time.

    One whose file is lost or damaged is dropped, so that the user can have another one made at once.

    Raises:
        ApiError: 404, there is none; 503, the store does not answer.
    """
    if export is None or export.file_key is None:
        raise not_found("export: ask for one by GET /api/users/export")
    try:
        stored = export_blobs().get(name_file(export.id, export.attempts))
        return decrypt_file(export.file_key, stored)
    except (NoBlob, DecryptionFailed) as error:
        log.error("the file of an export is lost", export=str(export.id), because=type(error).__name__)  # noqa: TRY400 -- that says it all
        same = (Export.id == export.id, Export.attempts == export.attempts)
        with session() as s:
            s.execute(sa.delete(Export).where(*same))
        raise not_found("export any more: ask for another one") from None
    except StoreAway as error:
        log.error("an export cannot be read", because=str(error))  # noqa: TRY400 -- the store says it all
        headers = {"Retry-After": "60"}
        raise ApiError(503, "unavailable", "the store does not answer: try again", headers=headers) from None


def name_file(export_id: UUID, attempt: int) -> str:
    """Return the key of an export's file: each attempt writes its own."""
    return f"{export_id.hex}-{attempt}"


def _is_over(now: datetime) -> sa.ColumnElement[bool]:
    return sa.func.coalesce(Export.expires_at <= now, sa.false())


_USER = "user"  # name of the statement's parameter


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """A table of the export."""

    record: type[Base]
    text: str  # what it holds, in French
    # Foreign keys that lead to the user, directly or by another table
    owned_by: tuple[str, ...] = ("user_id",)
    left_out: tuple[str, ...] = field(default=())  # columns that hold secrets, or the state of a program

    @property
    def name(self) -> str:
        """The table's name, which is the file's."""
        return str(self.record.__tablename__)

    @property
    def columns(self) -> list[sa.Column[Any]]:
        """The columns that are exported, in order."""
        return [each for each in _table_of(self.record).columns if each.name not in self.left_out]


EXPORTED: tuple[ExportedTable, ...] = (
    ExportedTable(
        User,
        mark("Le compte : adresse, langue, fuseau horaire, rôle"),
        ("id",),
        (
            "password_hash",
            "totp_secret",
            "totp_used_step",
            "recovery_hashes",
            "token_version",
            "registered_from",
        ),
    ),
    ExportedTable(
        Contact,
        mark("Les adresses des messages : e-mail, téléphone, Telegram, navigateurs, et leur état"),
        left_out=("lookup_hashes",),
    ),
    ExportedTable(TelegramLink, mark("Une liaison avec Telegram en cours"), left_out=("code_hash",)),
    ExportedTable(
        PhoneCode,
        mark("Les codes envoyés par SMS depuis un jour, sans les codes"),
        left_out=("number_hash", "network_hash", "code_hash"),
    ),
    ExportedTable(
        Login, mark("Les connexions : navigateur, début, fin"), left_out=("token_hash", "previous_hash")
    ),
    ExportedTable(Identity, mark("Le compte Google, ou d’un autre service, par lequel vous vous connectez")),
    ExportedTable(
        PendingRegistration,
        mark("Les inscriptions dont l’adresse n’est pas confirmée"),
        left_out=("password_hash", "code_hash", "registered_from"),
    ),
    ExportedTable(Alert, mark("Les alertes")),
    ExportedTable(
        AlertTarget,
        mark("Ce que chaque alerte surveille : préfecture, démarche, dates, heures"),
        ("alert_id",),
    ),
    ExportedTable(Appointment, mark("Les rendez-vous que vous avez signalés"), ("alert_id",)),
    ExportedTable(Match, mark("Les places trouvées pour vos alertes"), ("alert_id",)),
    ExportedTable(
        MatchAnswer,
        mark("Vos réponses aux alertes : rendez-vous trouvé, trop tard, rien sur la page, arrêt"),
        ("match_id",),
    ),
    ExportedTable(
        Notification,
        mark("Les messages : canal, titre et texte tels qu’envoyés, heures d’envoi et d’arrivée"),
        left_out=("lease_token", "lease_until"),
    ),
    ExportedTable(
        Notice,
        mark("Les notifications affichées dans votre compte, avec leur texte"),
        left_out=("dedupe_key",),
    ),
    ExportedTable(
        ProviderEvent,
        mark("Messages qui ne sont pas arrivés, et demandes d’arrêt par SMS"),
        ("contact_id",),
        ("next_attempt_at",),
    ),
    ExportedTable(Grant, mark("Les offres et leurs périodes")),
    ExportedTable(Subscription, mark("Les abonnements mensuels")),
    ExportedTable(Payment, mark("Les commandes et paiements, avec ce que vous avez accepté")),
    ExportedTable(PaymentEvent, mark("Ce qui est arrivé à chaque paiement"), ("payment_id",)),
    ExportedTable(BookLine, mark("Le livre de chaque paiement : payé, rendu, encore dû"), ("payment_id",)),
    ExportedTable(PaymentDifference, mark("Les écarts avec Stripe, et leur correction"), ("payment_id",)),
    ExportedTable(PlanCredit, mark("Les restes d’offres déduits d’une commande"), ("payment_id",)),
    ExportedTable(Refund, mark("Les remboursements"), ("payment_id",)),
    ExportedTable(Invoice, mark("Les factures et avoirs"), ("payment_id",), ("pdf_key",)),
    ExportedTable(Unwatched, mark("Le temps non surveillé de chaque paiement"), ("payment_id",)),
    ExportedTable(WatchCredit, mark("Ce qui a été rendu pour le temps non surveillé"), ("payment_id",)),
    ExportedTable(
        Referral,
        mark("Les commandes passées par un lien d’ami, le vôtre ou celui que vous avez nommé"),
        ("user_id", "payment_id"),
        # what the other person ordered, and when, is not the user's data
        ("user_id", "payment_id", "grant_id", "friend_grant_id", "friend_days", "created_at"),
    ),
    ExportedTable(
        StripeId,
        mark("Les numéros de vos paiements chez Stripe"),
        ("payment_id", "subscription_id", "refund_id"),
    ),
    # By account: who fills in the form without one may be a stranger
    ExportedTable(Declaration, mark("Vos rétractations et résiliations")),
    ExportedTable(
        Candidate,
        mark("Les pages de rendez-vous que vous avez signalées, et ce qu’elles sont devenues"),
        left_out=("key", "decided_by", "decision", "entry"),
    ),
    ExportedTable(
        Report,
        mark("Ce que vous avez vu sur les pages de rendez-vous, depuis sept jours"),
        left_out=("networks", "corroborates_id", "detection_id"),
    ),
    ExportedTable(
        PageOpening,
        mark("Les pages de rendez-vous que vous avez ouvertes depuis un jour"),
        left_out=("networks",),
    ),
    ExportedTable(Reporter, mark("Ce que nos opérateurs ont décidé de vos signalements")),
    ExportedTable(
        Vouch, mark("Vos signalements que d’autres ont confirmés"), ("user_id",), ("voucher_id", "opening_id")
    ),
    ExportedTable(Member, mark("L’organisation dont vous êtes membre")),
    ExportedTable(
        Beneficiary, mark("L’aide d’une organisation : référence, nom qu’elle vous donne, votre accord")
    ),
    ExportedTable(SupportRequest, mark("Vos messages à l’assistance")),
    ExportedTable(Export, mark("Les demandes d’export, celle-ci comprise"), left_out=("file_key",)),
    # Who looked, by role: the own id of who did, and other users' among the changes, are not the user's data.
    ExportedTable(
        AuditEntry,
        mark(
            "Ce que nos opérateurs ou votre organisation ont fait ou consulté à votre sujet : quand, dans quel rôle"
        ),
        (),
        ("actor_id", "request_id", "changes"),
    ),
)
# Tables with a foreign key that leads to a user and that no export has, and why.
LEFT_OUT: Mapping[str, str] = {
    "former_customers": "written when the account is deleted",
}
_BY_NAME = {each.name: each for each in EXPORTED}


def select_rows(exported: ExportedTable) -> sa.Select[Any]:
    """Select a user's rows of a table; carry it out with the parameters that `name_user` gives."""
    return (
        sa.select(*exported.columns)
        .where(_is_owned(exported))
        .order_by(*_table_of(exported.record).primary_key)
    )


def name_user(user_id: UUID) -> dict[str, UUID]:
    """Return the parameters of `select_rows`."""
    return {_USER: user_id}


def _is_owned(exported: ExportedTable) -> sa.ColumnElement[bool]:
    """Return the condition that a row is the user's; by a key's primary keys, each read by the index of one column."""
    table = _table_of(exported.record)
    if exported.record is AuditEntry:
        return _is_about_user()
    if len(exported.owned_by) == 1:
        return _leads_to_user(table.columns[exported.owned_by[0]])
    key = table.primary_key.columns[0]
    mine = (sa.select(key).where(_leads_to_user(table.columns[name])) for name in exported.owned_by)
    return key.in_(sa.union_all(*mine))


def _is_about_user() -> sa.ColumnElement[bool]:
    """Return the condition that an operator acted on the user or on a row of the user's, or that a list showed one."""
    own = sa.union_all(
        sa.select(sa.cast(sa.bindparam(_USER, type_=sa.Uuid()), sa.Text)),
        *(
            sa.select(sa.cast(each.id, sa.Text)).where(_is_owned(_BY_NAME[each.__tablename__]))
            for each in (Alert, Declaration, Grant, Notification, Payment)
        ),
    )
    seen = sa.func.jsonb_array_elements_text(AuditEntry.changes["seen"]).column_valued("seen")
    return sa.or_(AuditEntry.subject_id.in_(own), sa.select(seen).where(seen.in_(own)).exists())


def _leads_to_user(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    users = _table_of(User)
    parent = next((key.column.table for key in column.foreign_keys), users)
    if parent is users:
        return column == sa.bindparam(_USER, type_=sa.Uuid())
    owner = _BY_NAME[parent.name]
    return column.in_(sa.select(*parent.primary_key).where(_is_owned(owner)))


def _table_of(record: type[Base]) -> sa.Table:
    return Base.metadata.tables[record.__tablename__]
