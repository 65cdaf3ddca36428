"""Addresses of hosts and of people: one spelling each, so that tables find them again.

A budget, a back-off and a block belong to a host: a name and a port.
"""

import hashlib
import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit, urlunsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from configs.ground.text import clean_typed

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_REMEMBERED = 1 << 15  # addresses; each check asks for its own host a dozen times

REGION = "FR"
_PAID = {phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST}
# France with its overseas regions and territories: a phone number tells which of them it belongs to.
FRENCH_REGIONS = frozenset("FR GP MQ GF RE YT PM BL MF NC PF WF TF".split())  # noqa: SIM905 -- a list of names
_LONGEST_TEXT = 320  # characters that are worth reading as an address
# Of the numbering plan in which mobile numbers are 06 and 07
_FRENCH_CODES = frozenset({33, 262, 590, 594, 596})
# https://www.twilio.com/docs/messaging/services and https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id
_SMS_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_CODE_OR_NAME = re.compile(r"[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
# Atoms and dots around an @ (RFC 5322, 3.4.1). To parse it takes forty times as long, for each mail of a crowd.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
# Between words and quotes that stand around it. Other letters would be read as their keys.
_PHONE = re.compile(
    r"""(?:(?:t[ée]l|t[ée]l[ée]phone|mobile|portable)\b[ .:]*)?["'\[ ]*"""
    r"""([(+ ]*[0-9][0-9 ().+/,_'-]{2,38}[0-9])["'\] ]*""",
    re.IGNORECASE,
)
# Domains of one provider with the same mailboxes behind them.
_SAME_MAILBOXES = {
    "googlemail.com": "gmail.com", "protonmail.com": "proton.me", "pm.me": "proton.me", "me.com": "icloud.com",
    "mac.com": "icloud.com", "protonmail.ch": "proton.me", "ya.ru": "yandex.ru", "yandex.com": "yandex.ru",
}  # fmt: skip
DOTLESS = {"gmail.com", "proton.me"}  # where dots in front of the @ mean nothing
_NAMED = re.compile(r"\s*([^<>]*?)\s*<([^<>]*)>\s*")  # an operator need not quote a comma
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_MOBILE = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}


@lru_cache(_REMEMBERED)
def host_of(url: str) -> str:
    """Return `name:port` of an address, the scheme's port where none is written."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def resolve_stand_in(url: str, stand_ins: Mapping[str, str]) -> str:
    """Return where an address is really asked: at its stand-in (keys are `name` or `name:port`), else itself.

    Stand-ins speak without TLS: `http`, or `ws` for a socket.
    """
    if not stand_ins:
        return url
    host = host_of(url)
    stand_in = stand_ins.get(host) or stand_ins.get(host.rpartition(":")[0])
    if not stand_in:
        return url
    parts = urlsplit(url)
    plain = "ws" if parts.scheme in ("ws", "wss") else "http"
    return urlunsplit(parts._replace(scheme=plain, netloc=stand_in))


def same_site(here: str, there: str) -> bool:
    """Tell whether a redirect stays on the site: same name (`www.` aside) and port, or from HTTP up to HTTPS.

    Never from HTTPS down to HTTP, where anybody on the way could write the page.
    """
    old, new = urlsplit(here), urlsplit(there)
    if _bare(old) != _bare(new) or new.scheme not in ("http", "https"):
        return False
    if (old.scheme, new.scheme) == ("http", "https"):
        return _port(old) == _port(new) or (_port(old), _port(new)) == (80, 443)
    return old.scheme == new.scheme and _port(old) == _port(new)


def _bare(parts: SplitResult) -> str:
    return (parts.hostname or "").removeprefix("www.")


def _port(parts: SplitResult) -> int:
    return int(host_of(urlunsplit(parts)).rpartition(":")[2])


@lru_cache(_REMEMBERED)
def is_loopback(name: str) -> bool:
    """Tell whether a host name is this machine without asking DNS (names may resolve to anything)."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def is_private(name: str) -> bool:
    """Tell whether a host's name is an address that only a network of its own has; this machine's is none of those."""
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return not (address.is_global or address.is_loopback)


class LetterNotSent(ValueError):
    """The part before the @ of an address holds a `letter` that none of our providers sends to."""

    def __init__(self, letter: str) -> None:
        super().__init__(
            f"not an e-mail address that mail can be sent to: no {letter!r} may stand before the @"
        )
        self.letter = letter


def email_address(text: str) -> str:
    """Return the address in plain signs, its domain in lower case, at most 254 characters. DNS is not asked.

    Raises:
        LetterNotSent: SendGrid and most servers take only ASCII before the @.
        ValueError: it is no address; the text says why.
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError("not an e-mail address: it is too long")
    typed = clean_typed(text)
    for each in typed.rpartition("@")[0]:
        if not each.isascii() and each.isprintable():
            raise LetterNotSent(each)
    try:
        found = validate_email(typed, check_deliverability=False, strict=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise ValueError(f"not an e-mail address: {error}") from None
    return found.normalized


def ascii_address(text: str) -> str:
    """Return the address as every mail server takes it: its domain as DNS has it.

    Python's own codec `idna` knows the rules of 2003 only, by which `straße.de` is `strasse.de`: another's domain.
    https://www.unicode.org/reports/tr46/#Deviations

    Raises:
        ValueError: its local part has letters that are not ASCII, or it is none.
    """
    if text.isascii():
        text.rpartition("@")[2].encode("idna")  # its lengths; checking all of it takes 0.2 ms
        # smtplib parses it again, and sends to what it finds; of a plain one that is itself
        is_whole = _PLAIN.fullmatch(text) or (text.isprintable() and parseaddr(text)[1] == text)
        found = text if is_whole else None
    else:
        found = validate_email(text, check_deliverability=False, strict=True).ascii_email
    if found is None:
        raise ValueError("the part before the @ is not ASCII, or not as mail servers take it")
    return found


def fold_address(text: str) -> str:
    """Return what all spellings of an e-mail address have in common: by it people are found, told apart and counted.

    Capitals before the @ do not count; tags and dots do: whether a provider ignores them is not known. What is no
    address is folded by its letters.
    """
    try:
        local, at, domain = email_address(text).rpartition("@")
    except ValueError:
        return text.strip().casefold()
    return f"{local.lower()}{at}{domain}"


def name_mailbox(email: str) -> str:
    """Return a mailbox by one name: without a tag, and without dots where they mean nothing."""
    name, _, domain = fold_address(email).rpartition("@")
    domain = _SAME_MAILBOXES.get(domain, domain)
    name = name.partition("+")[0] or name
    return f"{name.replace('.', '') if domain in DOTLESS else name}@{domain}"


def digest(address: str) -> str:
    """Return a short name of an address, for tokens that must name it and not show it."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def phone_number(text: str) -> str:
    """Return the number as E.164 (`+33612345678`); without a country code it is French, overseas included.

    Raises:
        ValueError: no such number can exist.
    """
    typed = _PHONE.fullmatch(clean_typed(text).rstrip(" .,;"))
    try:
        number = phonenumbers.parse(re.sub("[,_']", " ", typed[1]) if typed else "", REGION)
    except phonenumbers.NumberParseException:
        raise ValueError("not a phone number: write it as 06 12 34 56 78 or +33612345678") from None
    found = next(filter(phonenumbers.is_valid_number, _list_meanings(number)), None)
    if found is None:
        raise ValueError("not a phone number that exists: check its digits and country code")
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def _list_meanings(number: phonenumbers.PhoneNumber) -> Iterator[phonenumbers.PhoneNumber]:
    """Yield what a number can mean, overseas too: five country codes share one French plan of ten digits.

    People write `0692 …`, and `+33 692 …` where their telephone does. Saint-Pierre-et-Miquelon is `0508 …`.
    """
    is_french, digits = number.country_code in _FRENCH_CODES, str(number.national_number)
    if is_french and digits.startswith("508"):
        yield phonenumbers.PhoneNumber(country_code=508, national_number=int(digits[3:] or 0))
    yield number
    for code in sorted(_FRENCH_CODES) if is_french else ():
        yield phonenumbers.PhoneNumber(country_code=code, national_number=int(digits))


def receives_sms(number: str, countries: Collection[str]) -> bool:
    """Return whether an E.164 number is a mobile one of France, overseas included, or of these countries besides."""
    parsed = phonenumbers.parse(number)
    region = phonenumbers.region_code_for_number(parsed)
    return phonenumbers.number_type(parsed) in _MOBILE and (region in FRENCH_REGIONS or region in countries)


def is_sms_service(sender: str) -> bool:
    """Return whether a sender of SMS is a messaging service: Twilio chooses among its numbers and names."""
    return bool(_SMS_SERVICE.fullmatch(sender))


def sms_sender(text: str) -> str:
    """Return what SMS may come from: a number, a short code, a name, or a messaging service.

    Raises:
        ValueError: it is none of them.
    """
    given = text.strip()
    if given.startswith("+"):
        return phone_number(given)
    if is_sms_service(given) or _CODE_OR_NAME.fullmatch(given):
        return given
    raise ValueError(
        "no sender of SMS: give a number as +33…, a short code, a messaging service (MG and 32 digits), or a name of"
        " at most 11 letters and digits"
    )


def call_sender(text: str) -> str:
    """Return the number that calls may come from.

    Raises:
        ValueError: it is no number, or a French mobile one: automatic systems may not call from these (docs/legal.md).
    """
    number = phone_number(text.strip())
    if is_french_mobile(number):
        raise ValueError(
            "automatic calls may not come from a French mobile number: rent one of another category"
        )
    return number


def is_french_mobile(sender: str) -> bool:
    """Return whether a sender is a number in 06 or 07, overseas departments included."""
    if not sender.startswith("+"):
        return False
    parsed = phonenumbers.parse(sender)
    return parsed.country_code in _FRENCH_CODES and str(parsed.national_number).startswith(("6", "7"))


def check_ordinary_phone(text: str) -> None:
    """Check a phone number of the seller: L.224-25-8 of the Code de la consommation forbids premium-rate ones.

    Raises:
        ValueError: it is none that can exist, or costs more than others.
    """
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException:
        raise ValueError("no phone number: write it as 01 23 45 67 89 or +33123456789") from None
    if not phonenumbers.is_possible_number(number) or phonenumbers.number_type(number) in _PAID:
        raise ValueError("no ordinary phone number: check its digits; the law forbids premium-rate ones here")


def country_of(number: str) -> str | None:
    """Return the ISO code of an E.164 number's country; None where it has none."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None


def country_code(text: str) -> str:
    """Return the ISO 3166-1 code of a country in upper case.

    Raises:
        ValueError: no phone number has it.
    """
    if text.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"names no country: {text.upper()}; write codes as BE,CH")
    return text.upper()


def shorten_address(address: str) -> str:
    """Return what a person recognises of their own e-mail address or number: `c…@example.org`, `…17`."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}" if at else f"…{address[-2:]}"


def sender(text: str) -> str:
    """Return `Name <address>` checked: what a mail's From may hold.

    Raises:
        ValueError: it has no valid address, or a line break that would forge a header.
    """
    if not text.isprintable():
        raise ValueError("holds a line break or another control character")
    named = _NAMED.fullmatch(text)
    name, address = named.groups() if named else ("", text)
    if _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    local, _, domain = ascii_address(email_address(address)).rpartition("@")
    return str(Address(name, local, domain))  # quotes a name with a comma
