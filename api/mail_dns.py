"""SPF, DKIM and DMARC of the domain that mails come from, as a mailbox provider reads them.

SPF: https://www.rfc-editor.org/rfc/rfc7208, DKIM: https://www.rfc-editor.org/rfc/rfc6376#section-3.6.1,
DMARC: https://www.rfc-editor.org/rfc/rfc7489#section-6.3. Since February 2024 Gmail and Yahoo refuse mail in bulk
without all three: https://support.google.com/a/answer/81126
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

# Reads the TXT records of a name; an empty list where there are none.
ReadTxt = Callable[[str], Sequence[str]]

SENDGRID_SELECTORS = ("s1", "s2")
_SENDGRID_SPF = "include:sendgrid.net"
_MOST_LOOKUPS = 10  # https://www.rfc-editor.org/rfc/rfc7208#section-4.6.4
_LEAST_BITS, _GOOD_BITS = 1024, 2048  # https://www.rfc-editor.org/rfc/rfc8301#section-3.2
_POLICIES = ("none", "quarantine", "reject")


class Grade(StrEnum):
    """Result of one check."""

    OK = "ok"
    WARNING = "warning"  # mail arrives, and something is to be improved
    FAILED = "failed"  # mail is refused, or lands in spam


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
    spf = [
        Finding(domain, grade, says) for grade, says in _check_spf(domain, read_txt, by_sendgrid=by_sendgrid)
    ]
    dkim = [_check_dkim(f"{selector}._domainkey.{domain}", read_txt) for selector in selectors]
    return [*spf, *dkim, *_check_dmarc(domain, read_txt)]


def _check_spf(domain: str, read_txt: ReadTxt, *, by_sendgrid: bool) -> Iterator[tuple[Grade, str]]:
    records = _find_spf(domain, read_txt)
    if len(records) != 1:
        number = "no" if not records else str(len(records))
        yield Grade.FAILED, f"SPF: {number} records that begin with v=spf1; there must be one"
        return
    terms = records[0].lower().split()[1:]
    end = next((term for term in terms if term.lstrip("+-~?") == "all"), None)
    redirects = any(term.startswith("redirect=") for term in terms)
    if end in ("all", "+all"):
        yield Grade.FAILED, f"SPF: {end} lets everybody send; write -all"
    elif end == "?all" or not (end or redirects):
        yield Grade.WARNING, "SPF: it ends with no rule for others; write ~all or -all"
    else:
        yield Grade.OK, f"SPF: {records[0]}"
    if by_sendgrid and _SENDGRID_SPF not in terms:
        says = f"SPF: {_SENDGRID_SPF} is missing; only with SendGrid's own return path (em….{domain}) is it not needed"
        yield Grade.WARNING, says
    lookups = _count_lookups(records[0], read_txt, {domain})
    if lookups > _MOST_LOOKUPS:
        yield Grade.FAILED, f"SPF: it takes {lookups} look-ups or more, {_MOST_LOOKUPS} at most are made"


def _find_spf(domain: str, read_txt: ReadTxt) -> list[str]:
    return [each for each in read_txt(domain) if each.lower().split(" ")[0] == "v=spf1"]


def _count_lookups(record: str, read_txt: ReadTxt, seen: set[str]) -> int:
    """Count the look-ups of a record and of those that it includes; it ends where the limit is exceeded."""
    number = 0
    for term in record.lower().split()[1:]:
        bare = term.lstrip("+-~?")
        if bare in ("a", "mx", "ptr") or bare.startswith(("a:", "a/", "mx:", "mx/", "ptr:", "exists:")):
            number += 1
        elif bare.startswith(("include:", "redirect=")):
            number += 1
            name = bare[len("include:") :]
            if number <= _MOST_LOOKUPS and name not in seen:
                seen.add(name)
                number += sum(_count_lookups(each, read_txt, seen) for each in _find_spf(name, read_txt))
        if number > _MOST_LOOKUPS:
            break
    return number


def _check_dkim(name: str, read_txt: ReadTxt) -> Finding:
    records = [_read_tags(each) for each in read_txt(name)]
    keys = [tags for tags in records if "p" in tags and tags.get("v", "DKIM1") == "DKIM1"]
    if len(keys) != 1:
        return Finding(name, Grade.FAILED, f"DKIM: {len(keys) or 'no'} records with a key; there must be one")
    return Finding(name, *_grade_key(keys[0]))


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
