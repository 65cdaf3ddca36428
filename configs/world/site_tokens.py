"""Tokens that some sites ask of programs: without one its desks are not checked."""

from configs.settings import Settings, settings


def missing_token(platform: str) -> str | None:
    """Return the variable of the token that a platform's site asks for, where it is not set.

    A platform asks for one where there is a setting of its name with `_token`. Programs that ask no site are not given
    it, and trust GRANTED_TOKENS.
    """
    name, current = f"{platform}_token", settings()
    missing = name in Settings.model_fields and getattr(current, name) is None
    granted = current.program not in (None, "crawler") and platform in current.granted_tokens
    return name.upper() if missing and not granted else None
