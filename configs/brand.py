"""The brand's colour, in one place: styles, pictures and mails get it from here.

It is close to a colour of the State, and may have to change (docs/legal.md). Its darker and lighter shades stand in
`api/pages/static/tokens.css` and `notifier/templates/layout/`.
"""

BRAND = "#e1000f"
PLACEHOLDER = "$brand"  # in files of the pages
