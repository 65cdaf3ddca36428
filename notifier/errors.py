"""What can go wrong with a message, sorted by whether trying again can help."""

from api.models.user import ContactState


class DeliveryError(Exception):
    """A message did not get a yes. `reason` is kept in its row: no address, no secret, no provider's prose."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PermanentError(DeliveryError):
    """Permanent: the same message to the same address will never be taken.

    `contact_state` is what the refusal says of the address, where it says something; `at_fault` are the places
    of the letters that it names, of several that were refused together; `of_all` says that it is not about whom
    they go to.
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


class LeavesLoopback(PermanentError):
    """The message would have left this machine, which APP_ENV does not allow."""


class TemporaryError(DeliveryError):
    """Temporary: the provider did not take it and said so, or was never reached. `retry_after` is in seconds."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Misconfigured(TemporaryError):
    """Our key, sender or address of the provider is refused or missing: no message is to blame for that."""


class OutcomeUnknown(DeliveryError):
    """Unknown: the request left and no answer was heard. The message may have been taken."""


class NotAttempted(DeliveryError):
    """The message never left: there was no time to wait for its answer. The attempt does not count."""
