"""Lines of the screen about payments."""

from rich.text import Text

from api.health.payment_overview import (
    PaymentOverview,
    describe_payments,
    find_open_cases,
    find_payment_troubles,
)
from configs.formatting import pluralize
from deploy.status.text import BAD, GOOD, ODD, join_pieces, line


def lines(part: PaymentOverview) -> list[Text]:
    """Say it."""
    waits = part.events or part.commands
    said = [line((describe_payments(part), ODD if waits else GOOD))]
    if part.unknown:
        said.append(line((f"{pluralize(part.unknown, 'event')} about nothing of ours", ODD)))
    troubles = [*find_payment_troubles(part), *find_open_cases(part)]
    return [join_pieces(said), *(line((each, BAD)) for each in troubles)]
