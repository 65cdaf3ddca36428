"""The API as gunicorn serves it: `gunicorn "api.app:create_app()"`."""

from importlib.metadata import version

from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from api import accounts, alerts, detections, docs, health, links, prefectures, proofs
from api.border import register_request_hooks
from api.cors import allow_front_end
from api.problems import handle_problems, validation_response
from api.schemas.problem import Problem
from api.throttle import throttle
from api.tokens import use_tokens
from configs.logs import set_up_logs


def create_app() -> OpenAPI:
    """Return the application that the environment describes.

    Raises:
        configs.settings.SettingsRefused: the environment is wrong.
        configs.settings.SettingMissing: JWT_SECRET or REDIS_URL is not set.
    """
    set_up_logs("api")
    app = OpenAPI(
        "api",
        info=Info(title="RDVPriority", version=version("rdvpriority"), description=docs.INTRODUCTION),
        security_schemes={"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        validation_error_status=422,
        validation_error_model=Problem,
        validation_error_callback=validation_response,
        doc_ui=False,
        static_folder=None,
    )
    handle_problems(app)
    register_request_hooks(app)
    allow_front_end(app)
    throttle(app)
    use_tokens(app)
    health.keep_probes(app)
    for noun in (accounts, alerts, prefectures, detections, health):
        app.register_api(noun.blueprint)
    app.register_blueprint(links.blueprint)
    app.register_blueprint(proofs.blueprint)
    app.register_blueprint(docs.blueprint)
    return app
