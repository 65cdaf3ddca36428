"""Operators' page of the runs of background jobs."""

from flask import render_template

from api.admin.access import audited
from api.admin.system import queries
from api.admin.system.schemas import JobRunQuery
from api.background.schedule import list_jobs
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.area import Access, Area
from api.pages.forms import Form

area = Area("admin_job_runs", __name__)


@area.page("/admin/taches", Access.OPERATOR)
def list_job_runs() -> str:
    """List the runs of background jobs, the newest first."""
    form = Form.read_query(JobRunQuery)
    with audited("job-runs.list", "job-run") as work:
        found = queries.list_job_runs(work.session, form.value)
    return render_template(
        "admin_job_runs/job_runs.html",
        form=form,
        runs=found.items,
        first=build_first_url(form),
        next=build_next_url(form, before=found.next),
        jobs=sorted((each.name, each.name) for each in list_jobs()),
    )
