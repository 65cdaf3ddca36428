"""A day in the past or today, on which an operator saw, read or decided something."""

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator

from configs.ground.clock import clock
from configs.ground.strict_model import IsoDate

# A machine whose clock stands before the day when our own files were written is wrong itself: it refuses none of them.
_WRITTEN = dt.date(2026, 11, 20)


def _not_ahead(date: dt.date) -> dt.date:
    today = max(clock().date(), _WRITTEN)
    if date - today > dt.timedelta(days=1):  # overseas it is tomorrow already
        raise ValueError(f"lies in the future, today is {today}: write the day on which it was so")
    return date


PastDate = Annotated[IsoDate, AfterValidator(_not_ahead)]
