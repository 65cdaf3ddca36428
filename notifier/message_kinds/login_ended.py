"""The notice that a login ended because one of its refresh tokens was used twice."""

from notifier.content.account_notices import AccountNotice


class LoginEnded(AccountNotice):
    """Says when, which browser's login it was, and what to do."""
