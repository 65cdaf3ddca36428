"""What all who tell people have in common: whom a message could reach, and how many are told in one look."""

# A look holds a lock: whoever is left is told by the next ones.
AT_ONCE = 200

# Of the user of an alert `a`. What is told of desks has texts for these two channels (notifier/templates).
REACHABLE = """EXISTS (SELECT FROM contacts c WHERE c.user_id = a.user_id AND c.enabled AND c.verified_at IS NOT NULL
    AND c.state = 'ok' AND c.channel IN ('email', 'telegram'))"""

# Of the user of an alert `a`: a grant covers `:now`.
ENTITLED = """EXISTS (SELECT FROM grants g WHERE g.user_id = a.user_id AND g.starts_at <= :now AND g.ends_at > :now)"""
