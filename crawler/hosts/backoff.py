"""Back-off of a host that refused us or limited our rate; pure, as the table `hosts` stores it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from configs.settings.constants import Constant
from configs.world.check_intervals import LONGEST_REST_SECONDS
from configs.world.outcome import Outcome

# First rest of a host that refused us; each further one is twice as long
_BLOCK_REST_SECONDS = Constant("BLOCK_REST_SECONDS", 300.0)
# First rest of a host that asked us to come less often and did not say when; each further one is twice as long
_RATE_REST_SECONDS = Constant("RATE_REST_SECONDS", 60.0)
# Longest Retry-After that is obeyed
_RETRY_AFTER_MAX_SECONDS = 86400
# After so long with conclusive answers half of a host's rests are forgotten and an eighth of its budget is back
_CALM_SECONDS = 3600
# Smallest part of a host's budget that stays in use, however often the host asked for less
_LEAST_BUDGET_SHARE = Constant("LEAST_BUDGET_SHARE", 0.0625)

_REASONS = {
    Outcome.BLOCKED: "the site refused us",
    Outcome.RATE_LIMITED: "the site asked us to come less often",
}
RESTING = frozenset(_REASONS)
_REGROWTH = 0.125  # of the whole budget, for each calm period
_JITTER = 0.1
_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class HostBackoff:
    """Back-off of one host: until when it rests and why, rests in a row, the share of its budget that is left.

    `calm_since`: its first conclusive answer since the last rest, or since something was last forgotten.
    """

    rests_until: datetime | None = None
    rest_reason: str | None = None
    rests_in_a_row: int = 0
    budget_share: float = 1.0
    calm_since: datetime | None = None


def after_refusal(
    memory: HostBackoff,
    outcome: Outcome,
    *,
    started_at: datetime,
    now: datetime,
    retry_after: float | None = None,
    lot: float = 0,
) -> HostBackoff:
    """Return the memory after a check that was refused (`RESTING`): each rest is longer than the one before.

    A check that started before the rest ended met what began it: it is no new rest. `lot`, from 0 to 1, lengthens
    the rest a little, so that we do not come back at equal distances.
    """
    again = memory.rests_until is not None and started_at < memory.rests_until
    before = memory.rests_in_a_row - again
    seconds = _rest(outcome, before, retry_after) * (1 + _JITTER * lot)
    until = max(now + timedelta(seconds=seconds), memory.rests_until or now)
    share = memory.budget_share
    if not again and (outcome is Outcome.RATE_LIMITED or _answered_between(memory)):
        share = min(share, max(share / 2, _LEAST_BUDGET_SHARE()))
    return HostBackoff(until, _REASONS[outcome], before + 1, share)


def after_success(memory: HostBackoff, proven_at: datetime | None) -> HostBackoff:
    """Return the memory after a conclusive answer at `proven_at`, the latest on that host.

    Each CALM_SECONDS of such answers half of the rests in a row are forgotten and an eighth of the budget is back.
    The latest may be older than `calm_since`: the desk that gave a later one is not watched any more.
    """
    if proven_at is None or (memory.rests_until and proven_at < memory.rests_until):
        return memory
    if memory.calm_since is None:
        return replace(memory, calm_since=proven_at)
    period = timedelta(seconds=_CALM_SECONDS)
    periods = max(0, (proven_at - memory.calm_since) // period)
    return replace(
        memory,
        rests_in_a_row=memory.rests_in_a_row >> periods,
        budget_share=min(1.0, memory.budget_share + periods * _REGROWTH),
        calm_since=memory.calm_since + periods * period,
    )


def _answered_between(memory: HostBackoff) -> bool:
    """Whether the host answered well since its last rest: if so, our rate caused the new refusal."""
    return memory.rests_in_a_row > 0 and memory.calm_since is not None


def _rest(outcome: Outcome, before: int, retry_after: float | None) -> float:
    asked = max(0, min(retry_after or 0, _RETRY_AFTER_MAX_SECONDS))  # a page may say -5, inf or nan
    if outcome is Outcome.RATE_LIMITED and asked:
        return asked
    first = _BLOCK_REST_SECONDS() if outcome is Outcome.BLOCKED else _RATE_REST_SECONDS()
    return max(asked, min(first * 2.0 ** min(before, _DOUBLINGS), LONGEST_REST_SECONDS()))
