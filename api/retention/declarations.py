"""Declarations of withdrawal and cancellation lose what their authors wrote after five years.

By then nobody can claim anything from them any more (article 2224 of the Code civil).
"""

from datetime import timedelta
from typing import Any, cast

import sqlalchemy as sa

from api.models.base import is_any_of, session
from api.models.declaration import Declaration
from api.retention import batches
from configs.ground.clock import clock

_KEPT_FOR = timedelta(days=5 * 365 + 2)
_WORDS = {"name": None, "email": None, "reference": None}


def erase_declarations() -> int:
    """Erase name, address and reference of old declarations; return how many.

    Their age is `made_at`: the id of a form's declaration is made of its words, and says nothing about its time. There
    are few enough to walk along the primary key each night.
    """
    has_words = sa.func.num_nonnulls(Declaration.name, Declaration.email, Declaration.reference) > 0
    old = sa.select(Declaration.id).where(Declaration.made_at < clock() - _KEPT_FOR, has_words)
    erased, is_full = 0, True
    while is_full:
        with session() as s:
            ids = list(s.scalars(old.order_by(Declaration.id).limit(batches.BATCH)))
            done = s.execute(sa.update(Declaration).where(is_any_of(Declaration.id, ids)).values(_WORDS))
        erased += cast("sa.CursorResult[Any]", done).rowcount
        is_full = len(ids) == batches.BATCH
    return erased
