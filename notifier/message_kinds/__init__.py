"""The message kinds: one table, of the tables of its themes."""

from functools import cache

from notifier.content.message_kind_base import MessageKind


@cache
def kinds() -> dict[str, MessageKind]:
    """Return all kinds by name, imported at the first call: programs that nudge load none of what they import."""
    from notifier.message_kinds import (  # noqa: PLC0415 -- at the first call
        account,
        operators,
        organisations,
        payments,
        slots,
        subscribers,
        telegram,
    )

    themes = (account, operators, organisations, payments, slots, subscribers, telegram)
    return {name: kind for theme in themes for name, kind in theme.KINDS.items()}


def kind_of(name: str) -> MessageKind:
    """Return one kind.

    Raises:
        LookupError: names those that exist.
    """
    if name not in kinds():
        raise LookupError(f"no kind of message {name!r}; those that exist: {', '.join(sorted(kinds()))}")
    return kinds()[name]


def is_secret(name: str) -> bool:
    """Whether no row of a kind keeps its text. An unknown kind has none to keep."""
    return name in kinds() and kinds()[name].secret


def list_operator_kinds() -> list[str]:
    """Return the kinds of messages to operators, which a former operator does not read any more."""
    from notifier.message_kinds import operators  # noqa: PLC0415 -- at the first call

    return list(operators.KINDS)
