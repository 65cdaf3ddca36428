"""List of the proofs' store, a line of JSON for each object: name, size, hash. The objects themselves are not copied.

After a loss of that store it says what was in it; after a restore it says which proofs were there then.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator

from configs.ground.object_store import Blobs, NoBlob, proof_blobs
from configs.ground.proofs import list_days


def read_proof_list() -> Callable[[int], bytes]:
    """Return a reader of the list, packed as gzip does; a day's lines are held in memory."""
    blocks, left = _pack(_list_lines(proof_blobs())), b""

    def read_some(size: int) -> bytes:
        nonlocal left
        while not left and (block := next(blocks, b"")):
            left = block
        found, left = left[:size], left[size:]
        return found

    return read_some


def _list_lines(blobs: Blobs) -> Iterator[bytes]:
    for day in list_days(blobs):
        for name, (size, checksum) in blobs.sizes(day).items():
            key = f"{day}/{name}"
            found = {"etag": checksum} if checksum else {"sha256": _hash(blobs, key)}
            yield json.dumps({"name": key, "bytes": size, **found}).encode() + b"\n"


def _hash(blobs: Blobs, key: str) -> str | None:
    """Return an object's hash; none where it was deleted meanwhile."""
    try:
        return hashlib.sha256(blobs.get(key)).hexdigest()
    except NoBlob:
        return None


def _pack(lines: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for line in lines:
        if block := packer.compress(line):
            yield block
    yield packer.flush()
