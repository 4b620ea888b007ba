# SPDX-License-Identifier: Apache-2.0
"""scripts/screenshots: what the page shows of a real PostgreSQL, a real nats-server and files."""
import pathlib
import subprocess
import sys

from leat_harness import nats, places, png, versions
from leat_harness.browser import Browser, program
from leat_harness.leat import Leat
from leat_harness.postgres import Postgres

TABLES = ("orders", "customers", "payments", "shipments")
SCRIPT = """\\set n random(1, 100000)
INSERT INTO orders (note) VALUES ('order');
INSERT INTO payments (note) VALUES ('payment');
UPDATE customers SET note = 'seen again' WHERE id = 1 + :n % 100;
INSERT INTO shipments (note) SELECT 'parcel' WHERE :n % 3 = 0;
"""


def load(postgres, database, folder, seconds, rate):
    script = folder / "load.sql"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [postgres.bin / "pgbench", "-n", "-h", postgres.socket, "-p", str(postgres.port), "-U", "postgres",
         "-f", script, "-c", "4", "-j", "1", "-T", str(seconds), "-R", str(rate), database],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def shoot(browser, folder, name):
    for dark in (False, True):
        for phone in (False, True):
            browser.look(390 if phone else 1180, 844 if phone else 700, dark, phone, 1.5 if phone else 1)
            browser.until("document.querySelectorAll('section').length === 1")
            browser.run("new Promise(done => setTimeout(done, 1100))")
            path = folder / f"{name}-{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}.png"
            browser.picture(path)
            png.shrink(path)
            print(f"{path.name}: {path.stat().st_size // 1024} KiB", flush=True)


def main(folder):
    if not program():
        sys.exit("screenshots: chromium is not installed")
    things = []
    try:
        postgres = Postgres(versions.DEBIAN, settings="max_slot_wal_keep_size=2GB\n")
        things.append(postgres)
        database = postgres.new_database()
        for table in TABLES:
            database.execute(f"CREATE TABLE {table} (id bigserial PRIMARY KEY, note text)")
        database.execute("INSERT INTO customers (note) SELECT 'new' FROM generate_series(1, 100); "
                         "CREATE PUBLICATION leat FOR ALL TABLES")
        bus = nats.Target("debian", "msg_id", stream="SHOP")
        things.append(bus)
        port = places.free_port()
        daemon = Leat(database.dsn(), slot="leat_shop", name="shop", top={"http": {"listen": f"127.0.0.1:{port}"}})
        things.append(daemon)
        archive = daemon.tree["pipelines"][0]["sinks"][0]
        daemon.tree["pipelines"][0]["sinks"] = [archive, {**bus.sink(), "name": "bus", "retry_max": "20s"}]
        daemon.write_config()
        daemon.start()
        daemon.wait_streaming(database, "leat_shop")
        browser = Browser()
        things.append(browser)
        browser.look(1180, 700)
        browser.open(f"http://127.0.0.1:{port}/")
        browser.until("document.getElementById('ready').textContent === 'ready'")
        for _ in range(20):
            database.execute("INSERT INTO orders (note) VALUES ('one'); UPDATE customers SET note = 'x' WHERE id = 1")
            browser.run("new Promise(done => setTimeout(done, 700))")
        shoot(browser, folder, "idle")
        writer = load(postgres, database.name, daemon.folder, 600, 1200)
        try:
            browser.run("new Promise(done => setTimeout(done, 25000))")
            shoot(browser, folder, "load")
            bus.kill()
            browser.until("document.getElementById('ready').textContent === 'not ready'")
            browser.run("new Promise(done => setTimeout(done, 15000))")
            browser.press("e")
            shoot(browser, folder, "broken")
        finally:
            writer.kill()
            writer.wait()
        if browser.complaints:
            sys.exit("the page complains: " + "; ".join(browser.complaints))
    finally:
        for thing in reversed(things):
            thing.destroy()


main(pathlib.Path(sys.argv[1]))
