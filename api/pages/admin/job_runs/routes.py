"""Operators' page of the background jobs."""

from flask import render_template

from api.admin.access import audited
from api.admin.system import queries
from api.admin.system.schemas import JobQuery
from api.pages.area import Access, Area
from api.pages.forms import Form

area = Area("admin_job_runs", __name__)


@area.page("/admin/taches", Access.OPERATOR)
def list_job_runs() -> str:
    """List the background jobs: when each is due, and how it ended the last time."""
    form = Form.read_query(JobQuery)
    with audited("jobs.list", "job") as work:
        found, names = queries.list_jobs(work.session, form.value)
    return render_template(
        "admin_job_runs/job_runs.html",
        form=form,
        states=found,
        jobs=[(name, name) for name in names],
    )
