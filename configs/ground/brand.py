"""The brand's colour and its shades, in one place: styles, pictures and mails get them from here.

The colour is close to one of the State, and may have to change (docs/legal.md).
"""

from string import Template

BRAND = "#e1000f"
# By the name that a mail's template knows it by, and a file of the pages with $ before it. Text needs a contrast of
# 4.5 to its background.
SHADES = {
    "brand": BRAND,
    "brand_deep": "#b0000c",  # of a pressed button
    "brand_deep_dark": "#c2000d",  # the same where the page is dark
    "brand_text": "#c4000d",
    "brand_text_dark": "#ff8086",
    "brand_mail_deep": "#b8000c",
    "brand_mail_dark": "#ff6a73",
    "brand_tint": "#fdf3f3",  # behind text
}


def fill_colours(text: str) -> str:
    """Return a file of the pages with the colours in place of their names."""
    return Template(text).safe_substitute(SHADES)
