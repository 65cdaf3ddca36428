"""Retention periods of records and files: the promises of docs/privacy.md."""

from datetime import timedelta

from configs.settings import Constant

# How long checks are kept; their sums by desk and day stay
CHECKS_KEPT_FOR = Constant("CHECKS_KEPT_FOR", timedelta(days=90))
# How long slots are kept after they were gone; figures of them stay
SLOTS_KEPT_FOR = Constant("SLOTS_KEPT_FOR", timedelta(days=365))
# How long messages keep their texts and addresses; their times and figures stay (docs/privacy.md)
MESSAGES_KEPT_FOR = Constant("MESSAGES_KEPT_FOR", timedelta(days=90))
# How long what providers said later of messages is kept
RECEIPTS_KEPT_FOR = Constant("RECEIPTS_KEPT_FOR", timedelta(days=30))
# How long messages to support are kept
SUPPORT_KEPT_FOR = Constant("SUPPORT_KEPT_FOR", timedelta(days=365))
# How long a login that ended is kept: by it a new sign-in from a known browser is recognised
LOGIN_KEPT_FOR = Constant("LOGIN_KEPT_FOR", timedelta(days=90))
# How long a proof is kept
PROOFS_KEPT_FOR = timedelta(days=30)
# Age at which an account whose address was never confirmed is deleted
UNVERIFIED_KEPT_FOR = timedelta(days=30)
# Time without use after which an account is deleted; two mails warn 60 and 14 days before
ACCOUNT_UNUSED_FOR = timedelta(days=730)
