"""Limits on mails that anybody can have us send to an address: by mailbox, by domain, by network, and in all.

An address that a stranger types may be anybody's, in many spellings. What a mailbox is called here is a key of counters
only: an account is known by its whole address.
"""

from collections.abc import Callable

import structlog
from flask import request

from api.ground.errors import ApiError
from api.ground.limit_counters import hit_limit
from api.models.login import stranger_mails_a_day
from api.network_addresses import group_network_address
from api.web.known_places import digest_account
from configs.ground.addresses import DOTLESS, name_mailbox

NEW_EMAIL = "3 per day"  # to one mailbox, by all accounts together
TO_MAILBOX = "6 per day"
TO_DOMAIN = "200 per day"
FROM_NETWORK = "50 per day"  # a /48 of IPv6, which one customer of a provider may have
_NETWORK_PREFIX = 48
# Providers of very many people: what goes to one of their domains says nothing.
_PUBLIC = DOTLESS | {
    "aol.com", "bbox.fr", "free.fr", "gmx.com", "gmx.fr", "hotmail.com", "hotmail.fr", "icloud.com", "laposte.net",
    "live.com", "live.fr", "mail.ru", "msn.com", "neuf.fr", "numericable.fr", "orange.fr", "outlook.com", "outlook.fr",
    "sfr.fr", "wanadoo.fr", "yahoo.com", "yahoo.fr", "yandex.ru", "ymail.com",
}  # fmt: skip
log = structlog.get_logger(__name__)


def count_mail(email: str) -> None:
    """Count a mail that the request has us send to an address.

    Raises:
        ApiError: 429, there were too many within a day.
    """
    count_mail_from_network()
    _count_mail_to(email)


def _count_mail_to(email: str) -> None:
    mailbox = name_mailbox(email)
    domain = mailbox.rpartition("@")[2]
    hit_limit(TO_MAILBOX, "mailbox", digest_account(mailbox))
    if domain not in _PUBLIC:
        hit_limit(TO_DOMAIN, "mail-domain", digest_account(domain))
    hit_limit(f"{stranger_mails_a_day()} per day", "stranger-mails", "all")


def count_mail_from_network() -> None:
    """Count a mail to the address of an account, which its owner may need whatever strangers asked for.

    Raises:
        ApiError: 429, there were too many from this network within a day.
    """
    hit_limit(
        FROM_NETWORK,
        "stranger-mails",
        group_network_address(request.remote_addr or "nobody", _NETWORK_PREFIX),
    )


def count_new_email(email: str) -> None:
    """Count a mail that asks to confirm an account's new address: anyone with accounts may name a stranger's.

    Raises:
        ApiError: 429, this mailbox was named too often within a day.
    """
    hit_limit(NEW_EMAIL, "new-email", digest_account(name_mailbox(email)))
    count_mail(email)


def may_mail(email: str) -> bool:
    """Count a mail as `count_mail` does; return whether it may be sent."""
    return _passes(count_mail, email)


def may_mail_to(email: str) -> bool:
    """Count a mail as `may_mail` does, where its network was counted before."""
    return _passes(_count_mail_to, email)


def _passes(count: Callable[[str], None], email: str) -> bool:
    try:
        count(email)
    except ApiError as error:
        log.warning("no mail is sent on a stranger's word: too many within a day", because=error.detail)
        return False
    return True
