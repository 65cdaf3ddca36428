"""QR codes as SVG inside a page: nothing is written to an address, and no style attribute is needed."""

import segno
from markupsafe import Markup


def render_qr_code(text: str, label: str) -> Markup:
    """Return a QR code of a text, named for those who cannot see it. It is dark on white in every theme."""
    code = segno.make(text, error="m", micro=False)
    drawn = code.svg_inline(svgclass=None, lineclass=None, omitsize=True, border=3, light="#fff")
    return Markup('<div class="qr" role="img" aria-label="{}">{}</div>').format(label, Markup(drawn))  # noqa: S704 -- drawn by us
