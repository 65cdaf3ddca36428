"""Receipts: what a provider says later of messages that it took over, and who reads that.

Their readers stand apart from `notifier/channels/providers/`, whose files load the providers' SDKs: the API reads
receipts and sends nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from api.models.provider_event import ReceiptKind

LONGEST_ID, LONGEST_CODE = 255, 80


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt, as the provider sent it."""

    event_id: str  # the provider's: the same when it is repeated
    kind: ReceiptKind
    at: datetime  # by the provider's clock
    address: (
        str  # of the message, or of the person who answered; compared with the contact's and never stored
    )
    message_id: str | None = None  # the provider's id of the message
    notification_ids: tuple[UUID, ...] = ()  # as they travelled with the message
    code: str | None = None  # the provider's error code


class ReceiptReader(ABC):
    """Reads what a provider calls our webhook with.

    A call's headers have lower-case names. `query` is behind the `?` of its address.
    """

    @abstractmethod
    def is_genuine(self, headers: Mapping[str, str], body: bytes, query: str) -> bool:
        """Return whether the provider signed the call; without its key set none is genuine."""

    @abstractmethod
    def read_receipts(self, body: bytes, query: str, now: datetime) -> Sequence[Receipt]:
        """Return the receipts of a genuine call, without those that say nothing new.

        Raises:
            ValueError: the body has another shape than the provider documents.
        """


def parse_ids(text: str) -> tuple[UUID, ...]:
    """Return the ids in a list with commas or dots; what is none is left out."""
    found = []
    for part in text.replace(".", ",").split(","):
        try:
            found.append(UUID(part.strip()))
        except ValueError:
            continue
    return tuple(found)
