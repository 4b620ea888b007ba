# SPDX-License-Identifier: Apache-2.0
"""Many sessions that change tables at random, while triggers write every change into a table that is not published.

The audit row is written by the transaction that it is about, so it is there if and only if that was committed: after
a crash of the server as well, when no client knows what became of its last COMMIT."""
import io
import random
import threading

import psycopg2

TABLES = ["w_plain", "w_full", "w_toast", "w_index", "w_part", "w_nokey", "w_ddl"]
LEAVES = {"w_part": ["w_part_0", "w_part_1"]}
KEYS = {"w_plain": ["id"], "w_full": ["id"], "w_toast": ["id"], "w_index": ["code"], "w_part_0": ["id"],
        "w_part_1": ["id"], "w_nokey": [], "w_ddl": ["id"]}

SCHEMA = """
CREATE TABLE audit (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid text NOT NULL, who text, op text NOT NULL,
                    tbl text, ident text, old text, new text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.audit (xid, who, op, tbl, ident, old, new)
  VALUES (pg_current_xact_id()::xid::text, current_setting('leat.who', true), lower(TG_OP), TG_TABLE_NAME,
          (SELECT relreplident FROM pg_class WHERE oid = TG_RELID),
          CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN row_to_json(OLD)::text END,
          CASE WHEN TG_OP IN ('UPDATE', 'INSERT') THEN row_to_json(NEW)::text END);
  RETURN NULL;
END $$;
CREATE TABLE w_plain (id bigint PRIMARY KEY, v int NOT NULL, note text, num numeric, at timestamptz DEFAULT now());
CREATE TABLE w_full (id bigint PRIMARY KEY, v int NOT NULL, note text, list int[]);
ALTER TABLE w_full REPLICA IDENTITY FULL;
CREATE TABLE w_toast (id bigint PRIMARY KEY, v int NOT NULL, big text, note text);
ALTER TABLE w_toast ALTER big SET STORAGE EXTERNAL;
CREATE TABLE w_index (id bigint PRIMARY KEY, code text NOT NULL, v int NOT NULL, note jsonb);
CREATE UNIQUE INDEX w_index_code ON w_index (code);
ALTER TABLE w_index REPLICA IDENTITY USING INDEX w_index_code;
CREATE TABLE w_part (id bigint PRIMARY KEY, v int NOT NULL, note text) PARTITION BY HASH (id);
CREATE TABLE w_part_0 PARTITION OF w_part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE w_part_1 PARTITION OF w_part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE w_nokey (id bigint, v int, note text);
CREATE TABLE w_ddl (id bigint PRIMARY KEY, v int NOT NULL, note text);
"""


def set_up(db, publication="leat"):
    db.execute(SCHEMA)
    db.execute(f"ALTER DATABASE {db.name} SET deadlock_timeout = '30ms'")
    for setting in ("TimeZone = 'UTC'", "IntervalStyle = 'postgres'", "bytea_output = 'hex'"):
        db.execute(f"ALTER DATABASE {db.name} SET {setting}")
    for table in TABLES:
        db.execute(f"CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON {table} "
                   "FOR EACH ROW EXECUTE FUNCTION audit()")
        for leaf in LEAVES.get(table, [table]):
            db.execute(f"CREATE TRIGGER audit_t AFTER TRUNCATE ON {leaf} EXECUTE FUNCTION audit()")
    db.execute(f"CREATE PUBLICATION {publication} FOR TABLE {', '.join(TABLES)}")


class Broken(Exception):
    """The connection is gone."""


class Session(threading.Thread):
    """One client.  It ends when its transactions are used up, or `stop` is set."""

    def __init__(self, db, number, seed, stop, transactions=None, pace=0.0, ddl=True, messages=True):
        super().__init__(daemon=True)
        self.db, self.number, self.stop, self.left, self.pace = db, number, stop, transactions, pace
        self.random = random.Random(f"{seed}/{number}")
        self.ddl, self.with_messages = ddl, messages
        self.turn = 0
        self.next_id = number * 10_000_000
        self.connection = None
        self.loose_messages = []  # sent outside any transaction
        self.committed = 0
        self.error = None

    # ---- the loop -------------------------------------------------------------------------------

    def run(self):
        try:
            while not self.stop.is_set() and (self.left is None or self.left > 0):
                try:
                    self.transaction()
                except (psycopg2.OperationalError, psycopg2.InterfaceError, Broken):
                    self.disconnect()
                    self.stop.wait(0.02)
                except psycopg2.Error:  # a deadlock, a lock that took too long: an abort, as they come
                    if self.connection and not self.connection.closed:
                        try:
                            self.sql("ROLLBACK")
                        except psycopg2.Error:
                            self.disconnect()
                if self.left is not None:
                    self.left -= 1
                if self.pace:
                    self.stop.wait(self.random.uniform(0, 2 * self.pace))
        except BaseException as error:  # noqa: B902  told of by Workload.finish
            self.error = error
            raise
        finally:
            self.disconnect()

    def disconnect(self):
        if self.connection is not None:
            try:
                self.connection.close()
            except psycopg2.Error:
                pass
            self.connection = None

    def sql(self, text, args=None):
        self.cursor.execute(text, args)

    def transaction(self):
        r = self.random
        if self.connection is None:
            self.connection = self.db.connect()
            self.cursor = self.connection.cursor()
            self.sql("SET lock_timeout = '300ms'")
            self.settle_prepared()
        self.turn += 1
        if r.random() < 0.1:  # a single statement, as most programs do
            self.sql("SELECT set_config('leat.who', %s, false)", (f"{self.number}:{self.turn}",))
            self.statement(r.choice([self.insert, self.update, self.delete, self.upsert]))
            self.committed += 1
            return
        self.sql("BEGIN")
        self.sql("SELECT set_config('leat.who', %s, true)", (f"{self.number}:{self.turn}",))
        self.block(r.choice([1, 1, 2, 3, 5, 8]), 0)
        end = r.random()
        if end < 0.78:
            self.sql("COMMIT")
            self.committed += 1
        elif end < 0.82:
            self.sql(f"PREPARE TRANSACTION '{self.db.name}-{self.number}'")
            if r.random() < 0.3:
                raise Broken  # the next connection finds it
            self.settle_prepared()
        elif end < 0.96:
            self.sql("ROLLBACK")
        else:
            raise Broken

    def settle_prepared(self):
        gid = f"{self.db.name}-{self.number}"
        self.sql("SELECT 1 FROM pg_prepared_xacts WHERE gid = %s AND database = current_database()", (gid,))
        if self.cursor.fetchone():
            self.sql(f"{'COMMIT' if self.random.random() < 0.7 else 'ROLLBACK'} PREPARED '{gid}'")

    def block(self, statements, depth):
        r = self.random
        kinds = [self.insert, self.insert, self.insert_many, self.update, self.update, self.update_many, self.upsert,
                 self.change_key, self.toast, self.delete, self.copy, self.part_move]
        for _ in range(statements):
            roll = r.random()
            if roll < 0.12 and depth < 3:
                name = f"p{depth}"
                self.sql(f"SAVEPOINT {name}")
                self.block(r.randint(1, 3), depth + 1)
                self.sql(f"{r.choice(['ROLLBACK TO', 'ROLLBACK TO', 'RELEASE'])} {name}")
            elif roll < 0.135:
                self.truncate()
            elif roll < 0.17 and self.ddl:
                self.change_schema()
            elif roll < 0.22 and self.with_messages:
                self.message()
            else:
                self.statement(r.choice(kinds))

    @staticmethod
    def statement(kind):
        kind()

    # ---- what it does ---------------------------------------------------------------------------

    def ids(self, count):
        first = self.next_id
        self.next_id += count
        return range(first, first + count)

    def note(self):
        r = self.random
        return r.choice([None, "", "plain", 'quo"te', "back\\slash", "new\nline", "ünï", "x" * r.randint(1, 300)])

    def insert_into(self, table, ids):
        note = self.note()
        values = {"w_plain": ("id, v, note, num", "(%s, 0, %s, 1.50)"), "w_full": ("id, v, note, list",
                  "(%s, 0, %s, '{1,NULL}')"), "w_toast": ("id, v, big, note", "(%s, 0, repeat(md5('b'), 100), %s)"),
                  "w_index": ("id, v, code, note", "(%s, 0, 'c' || %s, '{\"k\": [1.0]}')"),
                  "w_part": ("id, v, note", "(%s, 0, %s)"), "w_nokey": ("id, v, note", "(%s, 0, %s)"),
                  "w_ddl": ("id, v", "(%s, 0)")}
        columns, row = values[table]
        rows, args = [], []
        for number in ids:
            rows.append(row)
            args += [number] if table == "w_ddl" else [number, number if table == "w_index" else note]
        self.sql(f"INSERT INTO {table} ({columns}) VALUES {', '.join(rows)}", args)

    def insert(self):
        self.insert_into(self.random.choice(TABLES), self.ids(1))

    def insert_many(self):
        self.insert_into(self.random.choice(TABLES), self.ids(self.random.randint(2, 40)))

    def some(self, table, count):
        return f"id IN (SELECT id FROM {table} ORDER BY random() LIMIT {count})"

    def keyed(self):
        return self.random.choice([table for table in TABLES if table != "w_nokey"])

    def update(self, count=1):
        table = self.keyed()
        self.sql(f"UPDATE {table} SET v = v + 1 WHERE {self.some(table, count)}")

    def update_many(self):
        self.update(self.random.randint(2, 30))

    def delete(self):
        table = self.keyed()
        self.sql(f"DELETE FROM {table} WHERE {self.some(table, self.random.choice([1, 1, 3, 60]))}")

    def upsert(self):
        table = self.random.choice(["w_plain", "w_full", "w_part"])
        first = self.random.randint(1, 20)  # few rows, which everybody wants
        rows = ", ".join(f"({number}, 0)" for number in range(first, first + self.random.randint(1, 4)))
        self.sql(f"INSERT INTO {table} AS t (id, v) VALUES {rows} ON CONFLICT (id) DO UPDATE SET v = t.v + 1")

    def change_key(self):
        table = self.keyed()
        (new,) = self.ids(1)
        if table == "w_index":
            self.sql(f"UPDATE w_index SET code = 'k{new}' WHERE {self.some(table, 1)}")
        else:
            self.sql(f"UPDATE {table} SET id = %s WHERE {self.some(table, 1)}", (new,))

    def part_move(self):
        (new,) = self.ids(1)
        self.sql(f"UPDATE w_part SET id = %s, v = v + 1 WHERE {self.some('w_part', 1)}", (new,))

    def toast(self):
        what = self.random.choice(["note = 'n' || v", "big = repeat(md5(v::text), 100)", "big = NULL", "v = v + 1"])
        self.sql(f"UPDATE w_toast SET {what} WHERE {self.some('w_toast', self.random.choice([1, 4]))}")

    def copy(self):
        table = self.random.choice(["w_plain", "w_full", "w_nokey", "w_part"])
        rows = "".join(f"{number}\t0\tcopied\n" for number in self.ids(self.random.choice([1, 20, 150])))
        self.cursor.copy_expert(f"COPY {table} (id, v, note) FROM STDIN", io.StringIO(rows))

    def truncate(self):
        tables = self.random.sample(["w_plain", "w_toast", "w_nokey", "w_full", "w_part"], self.random.choice([1, 1, 2]))
        options = self.random.choice(["", " RESTART IDENTITY", " CASCADE"])
        self.sql(f"TRUNCATE {', '.join(tables)}{options}")

    def change_schema(self):
        (n,) = self.ids(1)
        self.sql(self.random.choice([
            f"ALTER TABLE w_ddl ADD c{n} int DEFAULT 7", f"ALTER TABLE w_ddl ADD c{n} text",
            "DO $$ DECLARE c text; BEGIN SELECT attname INTO c FROM pg_attribute WHERE attrelid = 'w_ddl'::regclass "
            "AND attname ~ '^c' AND attnum > 0 AND NOT attisdropped ORDER BY random() LIMIT 1; "
            "IF c IS NOT NULL THEN EXECUTE 'ALTER TABLE w_ddl DROP ' || c; END IF; END $$",
            "DO $$ DECLARE c text; BEGIN SELECT attname INTO c FROM pg_attribute WHERE attrelid = 'w_ddl'::regclass "
            "AND attname ~ '^c' AND attnum > 0 AND NOT attisdropped ORDER BY random() LIMIT 1; "
            f"IF c IS NOT NULL THEN EXECUTE 'ALTER TABLE w_ddl RENAME ' || c || ' TO cr{n}'; END IF; END $$",
            "ALTER TABLE w_ddl ALTER note TYPE varchar(50)", "ALTER TABLE w_ddl ALTER note TYPE text",
            "ALTER TABLE w_ddl REPLICA IDENTITY FULL", "ALTER TABLE w_ddl REPLICA IDENTITY DEFAULT"]))

    def message(self):
        text = f"m{self.number}:{self.turn}:{self.random.random()}"
        if self.random.random() < 0.7:
            self.sql("SELECT pg_logical_emit_message(true, 'w', %s)", (text,))
            self.sql("INSERT INTO audit (xid, who, op, new) VALUES (pg_current_xact_id()::xid::text, "
                     "current_setting('leat.who', true), 'message', %s)", (text,))
        else:
            self.sql("SELECT pg_logical_emit_message(false, 'w', %s)", (text,))
            self.loose_messages.append(text)


class Workload:
    """The sessions.  finish() ends them and leaves no prepared transaction behind."""

    def __init__(self, db, seed, sessions=4, **options):
        self.db, self.seed = db, seed
        self.stop = threading.Event()
        self.sessions = [Session(db, number + 1, seed, self.stop, **options) for number in range(sessions)]

    def start(self):
        for session in self.sessions:
            session.start()
        return self

    def running(self):
        return any(session.is_alive() for session in self.sessions)

    def committed(self):
        return sum(session.committed for session in self.sessions)

    def wait(self):
        for session in self.sessions:
            session.join()

    def finish(self):
        self.stop.set()
        self.wait()
        for session in self.sessions:
            if session.error:
                raise session.error
        for (gid,) in self.db.execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
            self.db.execute(f"COMMIT PREPARED '{gid}'")

    destroy = finish
