"""The application that gunicorn serves: `gunicorn "api.app:create_app()"`."""

from importlib.metadata import version

from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from api.admin import routes as admin
from api.admin.health.live_report import register_health
from api.alerts import routes as alerts
from api.alerts.notifications import routes as notifications
from api.auth import routes as auth
from api.bot import routes as bot
from api.ground.schemas import Problem
from api.models.base import engine
from api.models.key_renewal import note_keys
from api.models.revision import check_tables
from api.organisations import routes as organisations
from api.outlook import routes as outlook
from api.pages.blueprints import register_pages
from api.payments.billing import routes as billing
from api.payments.declarations import routes as declarations
from api.payments.invoices import routes as invoices
from api.prefectures import routes as prefectures
from api.privacy import routes as privacy
from api.reports import routes as reports
from api.users import routes as users
from api.web import openapi
from api.web.auth import register_auth
from api.web.gunicorn_hooks import BEFORE_FORK
from api.web.problems import build_validation_response, register_error_handlers
from api.web.rate_limits import register_rate_limits
from api.web.request_bodies import register_body_checks
from api.web.request_hooks import allow_front_end, register_request_hooks
from api.web.request_metrics import register_request_metrics
from configs.ground.logs import set_up_logs

# In the order of the document.
_BLUEPRINTS = (
    auth.blueprint, auth.logins_blueprint, users.blueprint, privacy.blueprint, users.devices,
    billing.blueprint, invoices.blueprint, declarations.blueprint, alerts.blueprint, prefectures.blueprint,
    outlook.blueprint, prefectures.calendar_blueprint, prefectures.candidates_blueprint,
    reports.blueprint, organisations.blueprint, prefectures.detections_blueprint,
    notifications.blueprint, notifications.notices_blueprint,
    prefectures.stats_blueprint, prefectures.reliability_blueprint, admin.support_blueprint, bot.blueprint,
    admin.blueprint,
)  # fmt: skip


def create_app() -> OpenAPI:
    """Return the application that the environment describes.

    Raises:
        configs.settings.SettingsRefused: the environment has invalid settings.
        configs.settings.SettingMissing: JWT_SECRET or REDIS_URL is not set.
    """
    set_up_logs("api")
    app = OpenAPI(
        "api",
        info=Info(title="RDVPriority", version=version("rdvpriority"), description=openapi.INTRODUCTION),
        security_schemes={
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "organisationKey": {"type": "http", "scheme": "bearer", "description": "An API key: `rdv_org_…`"},
            "refresh": {"type": "http", "scheme": "bearer", "description": "The refresh token of a login"},
        },
        validation_error_status=422,
        validation_error_model=Problem,
        validation_error_callback=build_validation_response,
        doc_ui=False,
        static_folder=None,
    )
    app.extensions[BEFORE_FORK] = [check_tables, note_keys]
    # `//login` would be redirected to the host that the request names.
    app.url_map.merge_slashes = False
    register_error_handlers(app)
    register_request_metrics(app)  # first: it times what the others do, too
    register_request_hooks(app)
    allow_front_end(app)
    register_rate_limits(app)
    register_body_checks(app)
    register_auth(app)
    register_health(app)
    for blueprint in _BLUEPRINTS:
        app.register_api(blueprint)
    register_pages(app)
    app.register_blueprint(openapi.blueprint)
    # The workers connect for themselves.
    app.extensions.setdefault(BEFORE_FORK, []).append(lambda: engine().dispose())
    return app
