"""Contacts that messages go to: why a kind is written for one, and why a message is not sent to it any more."""

from api.models.notification import State
from api.models.user import Channel, Contact, ContactState
from notifier.message_kind_base import Recipients, Skip


def is_mail(contact: Contact) -> bool:
    """Whether it is an e-mail address, confirmed or not, switched off or not."""
    return contact.channel is Channel.EMAIL


def is_confirmed_mail(contact: Contact) -> bool:
    """Whether it is a confirmed e-mail address, switched off or not."""
    return is_mail(contact) and contact.verified_at is not None


def is_linked_chat(contact: Contact) -> bool:
    """Whether it is a chat, switched off or not: who asked there awaits a reply."""
    return contact.channel is Channel.TELEGRAM and contact.is_linked


def takes_plan_news(contact: Contact) -> bool:
    """Whether it can be reached; a confirmed e-mail address also where alerts by mail are switched off."""
    return contact.reachable or (is_confirmed_mail(contact) and contact.takes_account_mail)


def skip_address(contact: Contact) -> Skip:
    """Return the end of a message whose address takes none, by the state of the address."""
    return Skip(State.SKIPPED, f"address {contact.state.value}")


def skip_unreachable(contact: Contact) -> Skip | None:
    """Return why nothing is sent to a contact that was reachable when the message was written, or None."""
    if contact.state is not ContactState.OK:
        return Skip(State.SKIPPED, f"address {contact.state.value}")
    if contact.reachable:
        return None
    return Skip(State.SKIPPED, "address not verified" if contact.enabled else "switched off")


def find_account_loss(contact: Contact) -> Skip | None:
    """Return why mail about the account does not go there, or None."""
    return None if contact.takes_account_mail else skip_address(contact)


def find_no_loss(_contact: Contact) -> None:
    """Let the kind itself say why nothing is sent."""


ADDRESS = Recipients(is_mail, find_no_loss)  # an e-mail address, whatever becomes of the account
REACHABLE = Recipients(lambda contact: contact.reachable, skip_unreachable)
REACHABLE_MAIL = Recipients(lambda contact: is_mail(contact) and contact.reachable, skip_unreachable)
CONFIRMED_MAIL = Recipients(is_confirmed_mail, find_account_loss)
ANY_MAIL = Recipients(is_mail, find_account_loss)
# Of an account that pays: also where mail was reported as spam.
PAYERS_MAIL = Recipients(is_mail, lambda contact: skip_address(contact) if contact.is_lost else None)
REACHABLE_OR_MAIL = Recipients(
    takes_plan_news, lambda contact: None if takes_plan_news(contact) else skip_address(contact)
)
LINKED_CHAT = Recipients(is_linked_chat, lambda contact: None if contact.is_linked else skip_address(contact))
# Other channels cannot change what they delivered.
EDITABLE_CHAT = Recipients(
    lambda contact: contact.channel is Channel.TELEGRAM and contact.reachable, skip_unreachable
)
