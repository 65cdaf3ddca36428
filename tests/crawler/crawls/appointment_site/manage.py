"""A site of django-appointment as its handbook sets it up: one service, one person, hours on this weekday alone.

Run by the Python that has it: `manage.py made|taken|free HH:MM|take HH:MM`, and Django's own `runserver`. SITE_STATE
is the folder of its database, SITE_ZONE its time zone.
"""

import os
import sys
from datetime import datetime, time, timedelta
from pathlib import Path

from django.conf import settings
from django.core.management import call_command, execute_from_command_line

HERE, STATE = Path(__file__).parent, Path(os.environ["SITE_STATE"])
HOUR = timedelta(hours=1)

settings.configure(
    DEBUG=True,
    SECRET_KEY="for a test alone",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
        "phonenumber_field",
        "appointment",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [HERE / "templates"],
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    STATIC_URL="/static/",
    STATICFILES_DIRS=[HERE / "static"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": STATE / "site.sqlite3"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    LANGUAGE_CODE="fr",
    TIME_ZONE=os.environ["SITE_ZONE"],
    USE_TZ=True,
    APPOINTMENT_BASE_TEMPLATE="base.html",
    APPOINTMENT_WEBSITE_NAME="Préfecture",
)

import django  # noqa: E402 -- what follows needs the settings

django.setup()

from appointment.models import (  # noqa: E402
    Appointment,
    AppointmentRequest,
    DayOff,
    Service,
    StaffMember,
    WorkingHours,
)
from django.contrib.auth import get_user_model  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402

urlpatterns = [path("", include("appointment.urls"))]


def made() -> None:
    """Make the tables, a service of an hour, and somebody who works from 15 to 18 o'clock today, and never again."""
    call_command("migrate", run_syncdb=True, verbosity=0)  # it ships no migrations
    today = timezone.localdate()
    service = Service.objects.create(name="Remise de titre", duration=HOUR, price=0)
    user = get_user_model().objects.create_user("guichet", first_name="Guichet", email="guichet@example.org")
    staff = StaffMember.objects.create(user=user, slot_duration=60, lead_time=time(15), finish_time=time(18))
    staff.services_offered.add(service)
    WorkingHours.objects.create(
        staff_member=staff, day_of_week=today.isoweekday() % 7, start_time=time(15), end_time=time(18)
    )
    DayOff.objects.create(
        staff_member=staff, start_date=today + timedelta(days=1), end_date=today + timedelta(days=400)
    )


def taken() -> None:
    """Let somebody have each hour that is free."""
    gone = set(AppointmentRequest.objects.values_list("start_time", flat=True))
    for hour in (15, 16, 17):
        if time(hour) not in gone:
            take(f"{hour}:00")


def take(hour: str) -> None:
    """Make an appointment."""
    staff, service = StaffMember.objects.get(), Service.objects.get()
    begins = datetime.combine(timezone.localdate(), time.fromisoformat(hour))
    request = AppointmentRequest.objects.create(
        date=begins.date(),
        start_time=begins.time(),
        end_time=(begins + HOUR).time(),
        service=service,
        staff_member=staff,
    )
    client, _ = get_user_model().objects.get_or_create(username="camille")
    Appointment.objects.create(client=client, appointment_request=request, phone="+33123456789")


def free(hour: str) -> None:
    """Cancel an appointment."""
    AppointmentRequest.objects.get(start_time=time.fromisoformat(hour)).delete()


if __name__ == "__main__":
    ours = {each.__name__: each for each in (made, taken, take, free)}
    if act := ours.get(sys.argv[1]):
        act(*sys.argv[2:])
    else:
        execute_from_command_line(sys.argv)
