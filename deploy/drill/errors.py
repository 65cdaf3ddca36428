"""What a step says when it cannot go on."""


class StepFailed(Exception):
    """Something that deployment relies on does not hold; the text says what."""
