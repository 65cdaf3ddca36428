"""Lines of the screen about notifications and providers."""

from datetime import timedelta

from rich.text import Text

from api.health.message_overview import RECENT, DeadLetters, MessageOverview, ProviderStatus
from api.models.notification import State
from configs.clock import clock
from configs.formatting import format_duration, pluralize
from deploy.status.text import BAD, DIM, GOOD, ODD, first, join_pieces, line

_LATE = 10.0  # seconds after which a message that waits shows that something is slow


def lines(part: MessageOverview) -> list[Text]:
    """Say it."""
    states = [line(f"{found} {state}") for state in State if (found := part.by_state.get(state))]
    said = [line("in 24 h: ", join_pieces(states) if states else "none")]
    said.append(
        join_pieces(
            [
                _waits(part.on_the_way, "on the way", part.oldest_seconds),
                _waits(part.unmatched, "detections not matched", part.oldest_unmatched_seconds),
            ]
        )
    )
    letters = sum(each.number for each in part.dead)
    said.append(line((f"{letters} dead letters", BAD if letters else GOOD)))
    return said + first([_dead_line(each) for each in part.dead], "reasons")


def _waits(number: int, what: str, oldest: float | None) -> Text:
    said = line((f"{number} {what}", ODD if number else ""))
    if oldest is not None:
        said.append(
            f", the oldest {format_duration(timedelta(seconds=oldest))}", BAD if oldest > _LATE else ""
        )
    return said


def _dead_line(each: DeadLetters) -> Text:
    ago = f"  the last {format_duration(clock() - each.newest_at)} ago"
    return line(f"  {each.number} {each.channel.value}: {each.reason}", (ago, DIM))


def provider_lines(part: list[ProviderStatus]) -> list[Text]:
    """Say it."""
    return [_provider_line(each) for each in part]


def _provider_line(each: ProviderStatus) -> Text:
    said = _results(each)
    for name, seconds in each.left_alone.items():
        said.append(f"; {name} is left alone for {format_duration(timedelta(seconds=seconds))}", BAD)
    return said


def _results(each: ProviderStatus) -> Text:
    if not each.accepted and not each.failed:
        return line(f"{each.channel.value:<9}", (f"nothing in {format_duration(RECENT)}", DIM))
    refused = (f"{each.failed} failed", BAD) if each.failed else ("none failed", GOOD)
    said = line(f"{each.channel.value:<9}{each.accepted} accepted, ", refused)
    if each.again:
        said.append(f", {pluralize(each.again, 'message')} tried again", ODD)
    return said.append(f"; {each.median_ms:.0f} ms after the page (median)" if each.median_ms else "")
