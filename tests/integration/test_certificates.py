# SPDX-License-Identifier: Apache-2.0
"""The ends of the certificates of real TLS connections, as metrics."""
import calendar
import shutil
import subprocess
import time

import pytest

from leat_harness import nats, places, wait
from leat_harness.admin import Admin

NAME = "tls_certificate_expiry_timestamp_seconds"


@pytest.fixture
def certificate(scratch):
    """Makes one, signed by itself, for 127.0.0.1: its file, its key's, and its end in seconds since 1970."""
    def make(name, days):
        cert, key = scratch / f"{name}.pem", scratch / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
                        "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        text = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", cert], check=True, capture_output=True, text=True).stdout
        end = calendar.timegm(time.strptime(text.strip().split("=", 1)[1], "%b %d %H:%M:%S %Y %Z"))
        return cert, key, end
    return make


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_the_ends_of_certificates_are_told(own_cluster, leat, own, certificate):
    of_postgres, postgres_key, postgres_end = certificate("postgres", 20)
    of_nats, nats_key, nats_end = certificate("nats", 30)
    of_client, client_key, client_end = certificate("client", 40)
    cluster = own_cluster(tcp=True)
    for path in (of_postgres, postgres_key):
        shutil.copy(path, cluster.data / path.name)
        places.give_to_postgres(cluster.data / path.name)
        (cluster.data / path.name).chmod(0o600)
    cluster.execute("ALTER SYSTEM SET ssl_cert_file = 'postgres.pem'")
    cluster.execute("ALTER SYSTEM SET ssl_key_file = 'postgres.key'")
    cluster.execute("ALTER SYSTEM SET ssl = on")
    cluster.execute("SELECT pg_reload_conf()")
    db = cluster.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    server = own(nats.Server, "debian", f'tls {{ cert_file: "{of_nats}", key_file: "{nats_key}" }}')
    dsn = f"host=127.0.0.1 port={cluster.port} dbname={db.name} user=leat sslmode=verify-full sslrootcert={of_postgres}"
    daemon = leat(dsn, top={"http": None})
    daemon.tree["http"] = {"listen": f"unix:{daemon.folder}/a.sock"}
    daemon.tree["pipelines"][0]["sinks"] += [
        {"name": "bus", "plugin": "nats", "url": f"tls://127.0.0.1:{server.port}", "stream": "LEAT", "create_stream": True,
         "create": {"subjects": ["cdc.>"]}, "tls": {"ca": str(of_nats)}, "route": "cdc.{table}", "retry_max": "200ms"},
        {"name": "log", "plugin": "kafka", "brokers": f"127.0.0.1:{places.free_port()}", "route": "t",
         "tls": {"enable": True, "certificate": str(of_client), "key": str(client_key)}}]
    daemon.write_config()
    daemon.start()
    daemon.wait_streaming(db)
    admin = Admin(daemon.folder / "a.sock")
    expected = {("leat_source_" + NAME, "pipeline=p", "certificate=server"): postgres_end,
                ("leat_sink_" + NAME, "pipeline=p", "sink=bus", "certificate=server"): nats_end,
                ("leat_sink_" + NAME, "pipeline=p", "sink=log", "certificate=client"): client_end}

    def told():
        return {key: value for key, value in admin.metrics().items() if key[0].endswith(NAME)} == expected
    wait.until(told, lambda: f"{expected}: {[key for key in admin.metrics() if 'tls' in key[0]]}\n{daemon.stderr_tail()}")
