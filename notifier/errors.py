"""Errors of a delivery, sorted by whether another attempt can help."""

from api.models.user import ContactState
from configs.formatting import truncate_line

_LONGEST_REASON = 300  # characters


class DeliveryError(Exception):
    """A message did not get a yes. `reason` is kept in its row: no address, no secret, no provider's prose."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = truncate_line(reason, _LONGEST_REASON)  # it may repeat what the provider answered


class PermanentError(DeliveryError):
    """Permanent: the same message to the same address will never be taken.

    `contact_state` is the state that the refusal gives the address, if any. Where a batch was refused, `at_fault` are
    the indexes of the messages that it names; `of_all` is set where the refusal is not about the addresses.
    """

    def __init__(
        self,
        reason: str,
        contact_state: ContactState | None = None,
        at_fault: frozenset[int] = frozenset(),
        *,
        of_all: bool = False,
    ) -> None:
        super().__init__(reason)
        self.contact_state = contact_state
        self.at_fault = at_fault
        self.of_all = of_all


class NothingToEdit(PermanentError):
    """The message that was to be edited is gone at the provider. No letter is dead: there is nothing left to say."""


class LeavesLoopback(PermanentError):
    """The message would have left this machine, which APP_ENV does not allow."""


class TemporaryError(DeliveryError):
    """Temporary: the provider did not take it and said so, or was never reached. `retry_after` is in seconds."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class RateLimited(TemporaryError):
    """The provider works, and asks for fewer messages."""


class AddressBusy(TemporaryError):
    """The provider works; only this address cannot be delivered to just now."""


class ProviderResting(TemporaryError):
    """No call was made: every provider of the channel failed lately and is left alone. The attempt does not count."""


class Misconfigured(TemporaryError):
    """Our key, sender or address of the provider is refused or missing: no message is to blame for that."""


class OutcomeUnknown(DeliveryError):
    """Unknown: the request left and no answer came. The message may have been accepted."""


class NotAttempted(DeliveryError):
    """The message never left: there was no time to wait for its answer. The attempt does not count."""
