"""The frame of operators' pages: layout and macros in `templates/admin/`, and the words that they use."""

from flask import Blueprint, Flask

from api.pages.admin import words

_FRAME = Blueprint("admin_frame", __name__, template_folder="templates")


def register_admin_frame(app: Flask) -> None:
    """Give operators' pages their layout, macros and words."""
    app.register_blueprint(_FRAME)
    app.jinja_env.globals["admin_words"] = words
