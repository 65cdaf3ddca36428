"""index.html of the pictures: a row for each page, its variants side by side."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from deploy.screenshots.camera import Variant
from deploy.screenshots.page_list import Shot

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Pages</title>
<style>
body { margin: 1rem; font: 1rem/1.4 system-ui; background: #ddd; }
.row { display: flex; gap: 1rem; align-items: start; }
a { flex: 2; } a.narrow { flex: 1; }
img { inline-size: 100%; border: 1px solid #999; }
</style>
<h1>Pages</h1>
"""


def write_gallery(folder: Path, shots: Iterable[Shot], variants: Iterable[Variant]) -> Path:
    """Write index.html beside the pictures; return its path."""
    path, windows = folder / "index.html", list(variants)
    path.write_text(_HEAD + "".join(_build_row(shot, windows) for shot in shots), "utf-8")
    return path


def _build_row(shot: Shot, variants: Iterable[Variant]) -> str:
    pictures = "".join(
        f'<a href="{shot.name}-{each.name}.png"{" class=narrow" if "narrow" in each.name else ""}>'
        f'<img src="{shot.name}-{each.name}.png" alt="{each.name}" loading="lazy"></a>'
        for each in variants
    )
    return (
        f'<h2>{escape(shot.name)} <code>{escape(shot.path)}</code></h2>\n<div class="row">{pictures}</div>\n'
    )
