"""SPF, DKIM and DMARC of the domain that mails come from, as a mailbox provider reads them.

SPF: https://www.rfc-editor.org/rfc/rfc7208, DKIM: https://www.rfc-editor.org/rfc/rfc6376#section-3.6.1,
DMARC: https://www.rfc-editor.org/rfc/rfc7489#section-6.3. Since February 2024 Gmail and Yahoo refuse mail in bulk
without all three: https://support.google.com/a/answer/81126
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

# Reads the TXT records of a name; an empty list where there are none. Raises NoAnswerError.
ReadTxt = Callable[[str], Sequence[str]]

SENDGRID_SELECTORS = ("s1", "s2")
_SENDGRID_SPF = "include:sendgrid.net"
_MOST_LOOKUPS = 10  # https://www.rfc-editor.org/rfc/rfc7208#section-4.6.4
# A mechanism, or a modifier (name=value), of which unknown ones are ignored.
_SPF_TERM = re.compile(
    r"[+~?-]?(?:all|(?:include|exists|ip4|ip6):[^;,]+|(?:a|mx)(?:[:/][^;,]+)?|ptr(?::[^;,]+)?)|[a-z][\w.-]*=.*"
)
_ASKS_ONCE = re.compile(r"(?:a|mx)(?:[:/].*)?|ptr(?::.*)?|exists:.*")
_ASKS_FOR_SPF = re.compile(r"(?:include:|redirect=)(.+)")
_LEAST_BITS, _GOOD_BITS = 1024, 2048  # https://www.rfc-editor.org/rfc/rfc8301#section-3.2
_POLICIES = ("none", "quarantine", "reject")


class Grade(StrEnum):
    """Result of one check."""

    OK = "ok"
    WARNING = "warning"  # mail arrives, and something is to be improved
    FAILED = "failed"  # mail is refused, or lands in spam


class NoAnswerError(Exception):
    """The name server says that it cannot answer for a name; others may be answered."""

    def __init__(self, name: str, why: str) -> None:
        """Say which name, and why: SERVFAIL, REFUSED."""
        super().__init__(f"the name server answers {why}: the zone is broken, or its servers are away")
        self.name = name


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: the name that was asked for, the result, and what to do."""

    name: str
    grade: Grade
    says: str


def check_domain(
    domain: str, selectors: Iterable[str], read_txt: ReadTxt, *, by_sendgrid: bool
) -> list[Finding]:
    """Return one finding or more for each record that mail from `domain` needs."""
    checks = [
        _check_spf(domain, read_txt, by_sendgrid=by_sendgrid),
        *(_check_dkim(f"{selector}._domainkey.{domain}", read_txt) for selector in selectors),
        _check_dmarc(domain, read_txt),
    ]
    return [each for check in checks for each in _collect(check)]


def _collect(check: Iterator[Finding]) -> Iterator[Finding]:
    """Yield the findings of a check, the last of which may be that a name is not answered for."""
    try:
        yield from check
    except NoAnswerError as error:
        yield Finding(error.name, Grade.FAILED, str(error))


def _check_spf(domain: str, read_txt: ReadTxt, *, by_sendgrid: bool) -> Iterator[Finding]:
    records = _find_spf(domain, read_txt)
    if len(records) != 1:
        number = "no" if not records else str(len(records))
        says = f"SPF: {number} records that begin with v=spf1; there must be one"
        yield Finding(domain, Grade.FAILED, says)
        return
    terms = records[0].lower().split()[1:]
    yield Finding(domain, *_grade_spf(records[0], terms))
    if by_sendgrid and _SENDGRID_SPF not in terms:
        says = f"SPF: {_SENDGRID_SPF} is missing; only with SendGrid's own return path (em….{domain}) is it not needed"
        yield Finding(domain, Grade.WARNING, says)
    lookups, missing = _walk_spf(records[0], read_txt)
    if lookups > _MOST_LOOKUPS:
        says = f"SPF: it takes {lookups} look-ups or more, {_MOST_LOOKUPS} at most are made"
        yield Finding(domain, Grade.FAILED, says)
    for name in missing:
        says = f"SPF: {name} has not one record of its own; that voids the whole record"
        yield Finding(domain, Grade.FAILED, says)


def _grade_spf(record: str, terms: Sequence[str]) -> tuple[Grade, str]:
    """Grade the record by itself."""
    if unknown := [term for term in terms if not _SPF_TERM.fullmatch(term)]:
        return Grade.FAILED, f"SPF: {unknown[0]} is no rule of SPF; that voids the whole record"
    end = next((term for term in terms if term.lstrip("+-~?") == "all"), None)
    if end in ("all", "+all"):
        return Grade.FAILED, f"SPF: {end} lets everybody send; write -all"
    if end == "?all" or not (end or any(term.startswith("redirect=") for term in terms)):
        return Grade.WARNING, "SPF: it ends with no rule for others; write ~all or -all"
    return Grade.OK, f"SPF: {record}"


def _find_spf(domain: str, read_txt: ReadTxt) -> list[str]:
    return [each for each in read_txt(domain) if each.lower().split(" ")[0] == "v=spf1"]


def _walk_spf(record: str, read_txt: ReadTxt) -> tuple[int, list[str]]:
    """Count the look-ups of a record and of those that it includes, and name those that have none.

    It ends where the limit is exceeded: a record may include itself.
    """
    number, missing, records = 0, [], [record]
    while records and number <= _MOST_LOOKUPS:
        terms = [term.lstrip("+-~?") for term in records.pop().lower().split()[1:]]
        for term in terms:
            asked = _ASKS_FOR_SPF.fullmatch(term)
            if term.startswith("redirect=") and "all" in terms:  # it is ignored then
                continue
            number += bool(asked or _ASKS_ONCE.fullmatch(term))
            if not asked or "%" in asked[1] or number > _MOST_LOOKUPS:  # a macro: it depends on the mail
                continue
            found = _find_spf(asked[1], read_txt)
            records += found
            if len(found) != 1:
                missing.append(asked[1])
    return number, missing


def _check_dkim(name: str, read_txt: ReadTxt) -> Iterator[Finding]:
    records = [_read_tags(each) for each in read_txt(name)]
    keys = [tags for tags in records if "p" in tags and tags.get("v", "DKIM1") == "DKIM1"]
    if len(keys) != 1:
        yield Finding(name, Grade.FAILED, f"DKIM: {len(keys) or 'no'} records with a key; there must be one")
        return
    yield Finding(name, *_grade_key(keys[0]))


def _grade_key(tags: dict[str, str]) -> tuple[Grade, str]:
    if not tags["p"]:
        return Grade.FAILED, "DKIM: the key is withdrawn (p is empty); publish the provider's"
    if tags.get("k", "rsa") != "rsa":
        return Grade.OK, f"DKIM: a key of {tags['k']}"
    grade, says = _grade_length(_count_bits(tags["p"]))
    if grade is Grade.OK and "y" in tags.get("t", "").split(":"):
        return Grade.WARNING, "DKIM: t=y says that it is a test"
    return grade, f"DKIM: {says}"


def _grade_length(bits: int | None) -> tuple[Grade, str]:
    if bits is None:
        return Grade.FAILED, "the key cannot be read; copy the provider's record once more"
    if bits < _LEAST_BITS:
        return Grade.FAILED, f"a key of {bits} bits; {_LEAST_BITS} are the least"
    if bits < _GOOD_BITS:
        return Grade.WARNING, f"a key of {bits} bits; better {_GOOD_BITS}"
    return Grade.OK, f"an RSA key of {bits} bits"


def _count_bits(text: str) -> int | None:
    """Return the length of an RSA key; None where the text is none."""
    try:
        key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return None
    return key.key_size if isinstance(key, RSAPublicKey) else None


def _check_dmarc(domain: str, read_txt: ReadTxt) -> Iterator[Finding]:
    name, records = _find_dmarc(domain, read_txt)
    if len(records) != 1:
        number = "no" if not records else str(len(records))
        yield Finding(
            name, Grade.FAILED, f"DMARC: {number} records that begin with v=DMARC1; there must be one"
        )
        return
    tags = _read_tags(records[0])
    policy = tags.get("p", "") if name == f"_dmarc.{domain}" else tags.get("sp", tags.get("p", ""))
    policy = policy.lower()
    if policy not in _POLICIES:
        yield Finding(name, Grade.FAILED, f"DMARC: p={policy} is none of {', '.join(_POLICIES)}")
    elif policy == "none":
        yield Finding(
            name, Grade.WARNING, "DMARC: p=none only watches; write p=quarantine once reports are clean"
        )
    else:
        yield Finding(name, Grade.OK, f"DMARC: {records[0]}")
    if "rua" not in tags:
        yield Finding(name, Grade.WARNING, "DMARC: no address for reports (rua=mailto:…)")


def _find_dmarc(domain: str, read_txt: ReadTxt) -> tuple[str, list[str]]:
    """Return the name asked and its records: of the domain itself, else of the one above it."""
    labels = domain.split(".")
    for number in range(len(labels) - 1):
        name = "_dmarc." + ".".join(labels[number:])
        found = [each for each in read_txt(name) if each.partition(";")[0].strip() == "v=DMARC1"]
        if found:
            return name, found
    return f"_dmarc.{domain}", []


def _read_tags(record: str) -> dict[str, str]:
    """Read `name=value; name=value`."""
    pairs = (each.partition("=") for each in record.split(";") if "=" in each)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
