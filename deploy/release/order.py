"""The order of a release and of a rollback, as docs/operations.md has it, on a stage with load."""

import time

from deploy.local.processes import StartFailed
from deploy.release.stage import ReleaseStage

_ALONE = 12.0  # seconds for which one version serves alone, before and after each change
_WRONG = {"LEASE_SECONDS": "soon"}
_BEFORE = ("this code needs", "does not let this program in")  # tables, or logins, are not there yet


def serve(stage: ReleaseStage, what: str) -> None:
    """Let one version serve for a while."""
    with stage.step(f"{what} serves alone"):
        time.sleep(_ALONE)


def release(stage: ReleaseStage) -> None:
    """Go from the old version to the new one."""
    _refuse(stage, "a new API with a wrong setting ends, the old one serves", _WRONG, ("LEASE_SECONDS",))
    if stage.old.version.migrations != stage.new.version.migrations:
        _refuse(stage, "a new API on the old tables ends, the old one serves", {}, _BEFORE)
    _migrate(stage)
    stage.replace_api(stage.new)
    stage.replace_others(stage.new)


def roll_back(stage: ReleaseStage) -> None:
    """Go back to the old version; the tables stay as they are."""
    stage.replace_api(stage.old)
    stage.replace_others(stage.old)


def _refuse(stage: ReleaseStage, name: str, variables: dict[str, str], words: tuple[str, ...]) -> None:
    """Start a new API that must not come up: it says why, without a traceback."""
    with stage.step(name) as note:
        wrong = stage.new.with_variables(**variables)
        stage.running.start("api-next", wrong, bind=stage.places["api-next"])
        try:
            code, said = stage.running.wait_for_end("api-next")
        except StartFailed as failure:
            stage.broken.append(f"{name}: {failure}")
            return
        lines = [line for line in said.splitlines() if any(word in line for word in words)]
        note(lines[-1].strip() if lines else f"code {code}")
        if code == 0 or len(lines) != 1 or "Traceback" in said:
            stage.broken.append(f"{name}: it ended with {code} and said:\n{said}")


def _migrate(stage: ReleaseStage) -> None:
    """Make a dump, then migrate by the new version; where nothing is to be migrated, make the dump alone."""
    added = [each for each in stage.new.version.migrations if each not in stage.old.version.migrations]
    with stage.step("dump, then migrations" if added else "dump; there is no new migration") as note:
        command = stage.new.migrate if added else ("-m", "deploy.backup", "dump")
        done = (stage.new if added else stage.old).run(*command)
        if done.returncode:
            raise StartFailed(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr[-1500:]}")
        note(", ".join(added) or done.stdout.strip())
