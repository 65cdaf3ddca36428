"""SQL conditions shared by all notices: reachable and entitled recipients, and the size of one round."""

# Recipients in one run, which holds a lock; the next runs take the others.
AT_ONCE = 200

# For the user of an alert `a`. Desk notices have templates for these two channels (notifier/templates).
REACHABLE = """EXISTS (SELECT FROM contacts c WHERE c.user_id = a.user_id AND c.enabled AND c.verified_at IS NOT NULL
    AND c.state = 'ok' AND c.channel IN ('email', 'telegram'))"""

# For the user of an alert `a`: a grant covers `:now`.
ENTITLED = """EXISTS (SELECT FROM grants g WHERE g.user_id = a.user_id AND g.starts_at <= :now AND g.ends_at > :now)"""
