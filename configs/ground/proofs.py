"""A proof: a page, as fetched, that showed slots, or the first page of a run of inconclusive checks.

Below its key lie `body.gz` (the body, packed), `meta.json` (what it is: Meta) and, once there is one, `picture.png`.
A key begins with its day, so that a day's proofs can be dropped whole; its end cannot be guessed.
"""

import gzip
import hashlib
import re
import zlib
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.ground.object_store import Blobs, NoBlob

BODY, META, PICTURE = "body.gz", "meta.json", "picture.png"
_KEY = re.compile(r"\d{4}/\d\d/\d\d/[0-9a-f]{32}", re.ASCII)


class NoProof(LookupError):
    """A proof, or a part of it, is not available; the text says why, `reason` in one word.

    `missing`: not stored yet, deleted, or lost with the process that had it. `refused`: its page may not be
    kept. `damaged`: what is stored is not what was fetched.
    """

    def __init__(self, reason: Literal["missing", "refused", "damaged"], text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Meta(BaseModel):
    """Metadata of a proof. Addresses are without possible secrets; `sha256` and `size` are of the unpacked body.

    `refused`: why the fetched body is not kept. `headers`: the few that a reader needs. `asked`: the platform's
    request (crawler/items.py), with which the page can be read again as in the crawl.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    desk: str
    platform: str
    outcome: str
    evidence: str
    seen_at: datetime
    url: str
    status: int
    headers: dict[str, str]
    sha256: str
    size: int
    time_zone: str
    asked: dict[str, Any]
    refused: str | None = None


def new_key(at: datetime) -> str:
    """Return the key of a new proof."""
    return f"{at.astimezone(UTC):%Y/%m/%d}/{uuid4().hex}"


def is_key(text: str) -> bool:
    """Whether a text is shaped like a key."""
    return bool(_KEY.fullmatch(text))


def is_kept(key: str, now: datetime, kept_for: timedelta) -> bool:
    """Whether a proof's day is still kept."""
    return date(*map(int, key.split("/")[:3])) >= (now - kept_for).date()


def pack(body: bytes) -> bytes:
    """Return a body as it is stored; the same bytes each time."""
    return gzip.compress(body, mtime=0)


def fingerprint(body: bytes) -> str:
    """Return the SHA-256 of a body as fetched, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def meta_of(blobs: Blobs, key: str) -> Meta:
    """Return the metadata of a proof.

    Raises:
        NoProof: there is none, or none that can be read.
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    try:
        return Meta.model_validate_json(blobs.get(f"{key}/{META}"))
    except NoBlob:
        raise NoProof(
            "missing", f"{key} is not in the store: not yet, not any more, or lost on its way"
        ) from None
    except ValidationError as error:
        raise NoProof("damaged", f"{META} is none of ours: {error}") from None


def body_of(blobs: Blobs, meta: Meta) -> bytes:
    """Return the body as it was fetched.

    Raises:
        NoProof: it was refused, or what is stored is not what was fetched.
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    if meta.refused:
        raise NoProof("refused", f"the page was not kept: {meta.refused}")
    try:
        body = gzip.decompress(blobs.get(f"{meta.key}/{BODY}"))
    except NoBlob:
        raise NoProof("missing", "the body is not in the store") from None
    except (OSError, EOFError, zlib.error) as error:
        raise NoProof("damaged", f"the stored body cannot be unpacked: {error}") from None
    if fingerprint(body) != meta.sha256:
        raise NoProof("damaged", "the stored body is not the one that was fetched: its SHA-256 differs")
    return body


def picture_of(blobs: Blobs, key: str) -> bytes:
    """Return the picture, a PNG.

    Raises:
        NoProof: there is none (yet).
        configs.ground.object_store.StoreAway: the store does not answer.
    """
    try:
        return blobs.get(f"{key}/{PICTURE}")
    except NoBlob:
        raise NoProof("missing", f"there is no picture of {key} (yet)") from None


def forget_before(blobs: Blobs, day: date) -> int:
    """Delete the proofs of all days before this one; return the number of these days.

    Raises:
        configs.ground.object_store.StoreAway: the store does not answer, or refuses; some days may be deleted.
    """
    gone = [key for key in list_days(blobs) if key < f"{day:%Y/%m/%d}"]
    for key in gone:
        blobs.delete(key)
    return len(gone)


def list_days(blobs: Blobs) -> list[str]:
    """Return the keys of all days, in order; other names in the store are ignored."""
    found = [""]
    for pattern in (r"\d{4}", r"\d\d", r"\d\d"):
        found = [
            f"{above}/{name}".lstrip("/")
            for above in found
            for name in blobs.names(above)
            if re.fullmatch(pattern, name, re.ASCII)
        ]
    return found
