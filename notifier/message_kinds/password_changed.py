"""The notice that the password of an account is another one now."""

from notifier.content.account_notices import AccountNotice


class PasswordChanged(AccountNotice):
    """Says when, and what to do if it was someone else."""
