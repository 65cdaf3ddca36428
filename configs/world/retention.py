"""Retention periods of records and files: the promises of docs/privacy.md."""

from datetime import timedelta

from configs.settings import Constant

# How long checks are kept; their sums by desk and day stay
checks_kept_for = Constant("CHECKS_KEPT_FOR", timedelta(days=90))
# How long slots are kept after they were gone; figures of them stay
slots_kept_for = Constant("SLOTS_KEPT_FOR", timedelta(days=365))
# How long messages keep their texts and addresses; their times and figures stay (docs/privacy.md)
messages_kept_for = Constant("MESSAGES_KEPT_FOR", timedelta(days=90))
# How long what providers said later of messages is kept
receipts_kept_for = Constant("RECEIPTS_KEPT_FOR", timedelta(days=30))
# How long messages to support are kept
support_kept_for = Constant("SUPPORT_KEPT_FOR", timedelta(days=365))
# How long a login that ended is kept: by it a new sign-in from a known browser is recognised
login_kept_for = Constant("LOGIN_KEPT_FOR", timedelta(days=90))
# How long a proof is kept
PROOFS_KEPT_FOR = timedelta(days=30)
# Age at which an account whose address was never confirmed is deleted
UNVERIFIED_KEPT_FOR = timedelta(days=7)
# Time without use after which an account is deleted; two mails warn 60 and 14 days before
ACCOUNT_UNUSED_FOR = timedelta(days=730)
