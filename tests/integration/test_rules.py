# SPDX-License-Identifier: Apache-2.0
"""The alert rules and the dashboard of docs/prometheus: they are right, and speak of metrics that leat really has."""
import json
import re
import shutil
import subprocess

import pytest

from leat_harness import places, wait
from leat_harness.admin import Admin

FOLDER = places.ROOT / "docs" / "prometheus"
ALERTS, DASHBOARD = FOLDER / "alerts.yaml", FOLDER / "dashboard.json"
NEEDS_PROMTOOL = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian's package prometheus) is not installed")
# These need TLS, and are seen in test_certificates.py.
ELSEWHERE = {"leat_sink_tls_certificate_expiry_timestamp_seconds", "leat_source_tls_certificate_expiry_timestamp_seconds"}


def expressions():
    rules = re.findall(r"^ +expr: (.+)$", ALERTS.read_text(), re.M)
    dashboard = json.loads(DASHBOARD.read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = [variable["query"]["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    assert len(rules) > 15 and len(targets) > 25 and asked
    return rules, targets + [note["expr"] for note in dashboard["annotations"]["list"]], asked


@NEEDS_PROMTOOL
@pytest.mark.parametrize("words", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]])
def test_promtool_has_nothing_to_say(words):
    done = subprocess.run(["promtool", *words], cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "SUCCESS" in done.stdout and not done.stderr, done.stdout + done.stderr


@NEEDS_PROMTOOL
def test_every_expression_of_the_dashboard_is_one(scratch):
    lines = ["groups: [{name: x, rules: ["]
    for number, text in enumerate(expressions()[1]):
        text = text.replace("$__rate_interval", "5m").replace("$pipeline", ".*").replace("$job", ".*")
        lines.append(f"  {{record: 'x{number}', expr: {json.dumps(text)}}},")
    (scratch / "rules.yaml").write_text("\n".join(lines) + "\n]}]\n")
    done = subprocess.run(["promtool", "check", "rules", scratch / "rules.yaml"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_that_they_name_exists(db, leat):
    rules, targets, asked = expressions()
    named = {re.sub("_bucket$", "", name) for text in rules + targets + asked for name in re.findall(r"\b(?:leat|process)_[a-z0-9_]+", text)}
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn())
    daemon.tree["http"] = {"listen": f"unix:{daemon.folder}/a.sock"}
    daemon.write_config()
    daemon.start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1)")
    admin = Admin(daemon.folder / "a.sock")

    def missing():
        text = admin.ask("/metrics")[1]
        return named - ELSEWHERE - set(re.findall(r"^# TYPE (\S+)", text, re.M)) - OPTIONAL
    wait.until(lambda: not missing(), lambda: f"these metrics: {missing()}")


# Only where the server has a limit (max_slot_wal_keep_size), and where a sink is isolated (test_isolate.py).
OPTIONAL = {"leat_source_slot_safe_bytes", "leat_sink_helper_starts_total"}


def test_every_alert_is_explained():
    text = (places.ROOT / "docs" / "operate.md").read_text()
    for name in re.findall(r"- alert: (\w+)", ALERTS.read_text()):
        assert re.search(rf"^### {name}$", text, re.M), f"{name} is not in docs/operate.md"
