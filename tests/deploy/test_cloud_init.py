"""The cloud-init file of a new server: cloud-init's own schema, its firewall, and what a swarm changes of it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.compose_files import DEPLOY, ROOT

FILE = DEPLOY / "cloud-init.yaml"
WRITTEN = {each["path"]: each["content"] for each in yaml.safe_load(FILE.read_text("utf-8"))["write_files"]}
SCHEMA = "usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json"
# A network of its own, in which Docker has a table already; the file is loaded twice, as by a restart of nftables
LOADED_TWICE = 'nft add table ip docker && nft -f "$0" && nft -f "$0" && nft --json list ruleset'


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.journey
def test_it_fits_the_schema_of_cloud_init(tmp_path: Path) -> None:
    """The schema is that of the package: installed, it would have its way with this machine at the next start."""
    if not shutil.which("apt-get") or run(["apt-get", "download", "cloud-init"], tmp_path).returncode:
        pytest.skip("apt-get has no cloud-init here: apt-get update")
    assert run(["dpkg", "-x", next(tmp_path.glob("*.deb")), "package"], tmp_path).returncode == 0
    checker = Path(sys.executable).parent / "check-jsonschema"
    checked = run([checker, "--schemafile", tmp_path / "package" / SCHEMA, FILE], tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert FILE.read_text("utf-8").startswith("#cloud-config\n")


def test_its_firewall_leaves_docker_s_rules_and_opens_three_ports_to_all(tmp_path: Path) -> None:
    (tmp_path / "nftables.conf").write_text(WRITTEN["/etc/nftables.conf"])
    apart: list[str | Path] = ["unshare", "--net", "--map-root-user"]
    if not shutil.which("nft") or run([*apart, "nft", "list", "ruleset"], tmp_path).returncode:
        pytest.skip("this machine has no nftables, or no network of one's own: apt-get install nftables")
    done = run([*apart, "sh", "-c", LOADED_TWICE, tmp_path / "nftables.conf"], tmp_path)
    assert done.returncode == 0, done.stderr
    ruleset = json.loads(done.stdout)["nftables"]
    assert [each["table"]["name"] for each in ruleset if "table" in each] == ["docker", "rdvpriority"]
    assert [each["chain"]["policy"] for each in ruleset if "chain" in each] == ["drop"]
    matches = [
        part["match"]
        for each in ruleset
        if "rule" in each
        for part in each["rule"]["expr"]
        if "match" in part
    ]
    opened = [
        each["right"]
        for each in matches
        if each["left"] == {"payload": {"protocol": "tcp", "field": "dport"}}
    ]
    assert opened == [{"set": [22, 80, 443]}]


def test_the_command_of_a_swarm_takes_live_restore_out(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "scaling.md").read_text("utf-8")
    (command,) = re.findall(r"^ *(sed .*live-restore.*) /etc/docker/daemon\.json &&", page, re.MULTILINE)
    daemon = tmp_path / "daemon.json"
    daemon.write_text(WRITTEN["/etc/docker/daemon.json"])
    assert json.loads(daemon.read_text())["live-restore"] is True
    assert run(["sh", "-c", f"{command} {daemon}"], tmp_path).returncode == 0
    assert json.loads(daemon.read_text())["live-restore"] is False
