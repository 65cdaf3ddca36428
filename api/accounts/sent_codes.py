"""Codes of six digits that a message carries: their keyed hashes, and how often one may be tried."""

import hmac
import secrets
from uuid import UUID

from api.ground.errors import ApiError
from api.ground.schemas import FieldError
from configs.ground.encryption import lookup_hashes

TRIES = 5


def make_code(purpose: str, row_id: UUID) -> tuple[str, bytes]:
    """Return a code for a row, and the hash that the row keeps of it."""
    code = f"{secrets.randbelow(1_000_000):06}"
    return code, lookup_hashes(_salt(purpose, row_id, code))[0]


def is_code(purpose: str, row_id: UUID, code: str, code_hash: bytes) -> bool:
    """Return whether a row's hash is of this code."""
    hashes = lookup_hashes(_salt(purpose, row_id, code))
    return any(hmac.compare_digest(code_hash, each) for each in hashes)


def refuse_wrong_code(left: int) -> ApiError:
    """Return the refusal of a wrong code, after which so many tries are left."""
    detail = f"this is not the code: {left} more tries" if left else "this is not the code: ask for a new one"
    return ApiError(
        422, "wrong-code", detail, errors=[FieldError(path="code", rule="wrong_code", detail=detail)]
    )


def _salt(purpose: str, row_id: UUID, code: str) -> str:
    return f"{purpose}:{row_id}:{code}"
