"""The State's search server for town halls, hubrdvmairie of the package index, with the editors that a test names.

Run by the Python that has it: `serve.py EDITORS`, the base address under which each editor answers and their names.
The package has the searches but no main program: what that does daily and each minute is done on demand here.
"""

import json
import os
import sys
from types import SimpleNamespace

os.environ["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"  # its searches read no table
os.environ |= {"AUTH_TOKENS": json.dumps(["tests-token"]), "FRONT_AUTH_TOKENS": json.dumps(["the-sites-own"])}

import uvicorn
from fastapi import FastAPI
from hubrdvmairie.controllers.routes import time_slots, websocket
from hubrdvmairie.db.utils import reset_all_ws_use_rates, set_all_editors
from hubrdvmairie.models.editor import Editor
from hubrdvmairie.services.scheduled_functions import run_daily_scheduled_functions
from slowapi import _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded

app = FastAPI()
app.state.limiter = time_slots.limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
for each in (time_slots, websocket):
    app.include_router(each.router, prefix="/api")


async def collect(editors: str) -> None:
    """Ask these editors, joined by commas, for their town halls, and number them in this order."""
    token = [SimpleNamespace(token="to-editors")]
    named = [
        Editor(name, f"{sys.argv[1]}/{name}", test_mode=False, header_name="x-hub-rdv-auth-token",
               email="editor@example.org", tokens_ants_to_editor=token)
        for name in editors.split(",")
    ]  # fmt: skip
    set_all_editors(named)
    await run_daily_scheduled_functions()


async def forget() -> None:
    """Forget how often somebody asked, as at the end of each minute."""
    reset_all_ws_use_rates()
    time_slots.limiter.reset()


app.add_api_route("/daily/{editors}", collect, methods=["POST"])
app.add_api_route("/minute", forget, methods=["POST"])
uvicorn.run(app, port=0, log_level="warning")
