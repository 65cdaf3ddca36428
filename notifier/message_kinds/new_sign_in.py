"""The notice of a sign-in from a browser or a network address that the account did not use before."""

from notifier.content.account_notices import AccountNotice


class NewSignIn(AccountNotice):
    """Says when, with which browser, and what to do if it was someone else."""
