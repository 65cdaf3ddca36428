"""All records; Alembic compares the database with them."""

from api.models.alert import Alert, AlertTarget
from api.models.answer import MatchAnswer
from api.models.appointment import Appointment
from api.models.audit import AuditEntry
from api.models.backup_state import BackupState
from api.models.base import Base
from api.models.book import BookLine, BookTransaction
from api.models.check import Check, CheckDay
from api.models.contact_linking import PhoneCode, TelegramLink
from api.models.declaration import Declaration
from api.models.delivery_figure import DeliveryFigure
from api.models.desk import DeskChange, DeskState, HostState, Outage, Publication
from api.models.discovery import DeskLink, DiscoveryRun, Drift
from api.models.export import Export
from api.models.incident import Incident
from api.models.invoice import Invoice, InvoiceCounter
from api.models.job import JobState
from api.models.login import Login, PendingRegistration
from api.models.notice import Notice
from api.models.notification import Match, Notification
from api.models.payment import (
    FormerCustomer,
    Payment,
    PaymentEvent,
    PlanCredit,
    Refund,
    StripeId,
    Subscription,
    Unwatched,
    WatchCredit,
)
from api.models.provider_event import ProviderEvent
from api.models.slot import Detection, DetectionSlot, SlotRow
from api.models.stripe_event import PaymentDifference, StripeCommand, StripeEvent
from api.models.support import SupportRequest
from api.models.user import Contact, Grant, User

RECORDS: tuple[type[Base], ...] = (
    User, Contact, Grant, Alert, AlertTarget, DeskState, HostState, Outage, Publication, Incident, DeskChange, Check,
    SlotRow, Detection, DetectionSlot, Match, MatchAnswer, Notification,
    ProviderEvent, Notice, DiscoveryRun, DeskLink, Drift, AuditEntry,
    PhoneCode, TelegramLink, Appointment, SupportRequest, JobState, CheckDay,
    Login, PendingRegistration,
    Subscription, Payment, PlanCredit, PaymentEvent, Refund, StripeId, StripeEvent, StripeCommand,
    PaymentDifference,
    BookTransaction, BookLine, Invoice, InvoiceCounter, Unwatched, WatchCredit, DeliveryFigure,
    BackupState, Declaration, Export, FormerCustomer,
)  # fmt: skip
