# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Every sink, and every way to PostgreSQL, inside the unit's sandbox: an instance each, as an administrator would
# write it.  Each instance sees the same rows, which are written after it has begun.

sandbox_rows=500

# NAME DSN SINK: an instance with a table of its own, which then gets its rows.  The one before it ends: a server has ten slots.
begun=''
begin() {
  if [[ -n $begun ]]; then
    inside systemctl stop "leat@$begun" &&
      sql -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'sandbox%' AND NOT active" || return 1
  fi
  begun=$1
  sql -c "CREATE TABLE sandbox_$1 (id int PRIMARY KEY, note text); CREATE PUBLICATION sandbox_$1 FOR TABLE sandbox_$1" || return 1
  write "/etc/leat/$1.yaml" <<YAML
pipelines:
  - name: $1
    source: { plugin: pgoutput, dsn: "$2", slot: sandbox_$1, publication: sandbox_$1 }
    sinks: [$3]
YAML
  inside systemctl start "leat@$1" || { inside journalctl -u "leat@$1" -o cat -n 20; return 1; }
  streaming() { [[ $(sql -c "SELECT active FROM pg_replication_slots WHERE slot_name = 'sandbox_$1'") == t ]]; }
  until_ 30 streaming "$1" || { inside journalctl -u "leat@$1" -o cat -n 20; return 1; }
  sql -c "INSERT INTO sandbox_$1 SELECT i, 'row ' || i FROM generate_series(1, $sandbox_rows) i"
}
# NAME: all of it is durable: the slot stands behind the last row.
delivered() {
  local end
  end=$(sql -c 'SELECT pg_current_wal_lsn()')
  confirmed() { [[ $(sql -c "SELECT confirmed_flush_lsn >= '$end' FROM pg_replication_slots WHERE slot_name = 'sandbox_$1'") == t ]]; }
  until_ 60 confirmed "$1" || { inside journalctl -u "leat@$1" -o cat -n 20; inside runuser -u leat -- leat status -c "/etc/leat/$1.yaml"; return 1; }
  active "leat@$1"
}
ids() { sed -n 's/.*"key":{"id":\([0-9]*\)}.*/\1/p'; }
# The ids 1 to N, once each and in order, come from the command.
all_ids() { [[ $("$@" | ids | md5sum) == "$(seq $sandbox_rows | md5sum)" ]] || { "$@" | tail -n 3; return 1; }; }

socket_dsn='host=/run/postgresql dbname=postgres user=leat'

# docs/install.md: ReadWritePaths, and a folder that belongs to leat.
files_elsewhere() {
  inside install -d -o leat -g leat /srv/changes && drop_in leat@elsewhere files <<<$'[Service]\nReadWritePaths=/srv/changes' &&
    begin elsewhere "$socket_dsn" '{ plugin: file, directory: /srv/changes/out, compression: zstd }' && delivered elsewhere &&
    inside ls -l /srv/changes/out && inside systemctl stop leat@elsewhere &&
    all_ids script 'zstd -qdc /srv/changes/out/*.zst'
}
files_nowhere_else() { # without it: a clear end, and no restart
  inside install -d -o leat -g leat /srv/closed || return 1
  write /etc/leat/closed.yaml <<YAML
pipelines:
  - name: closed
    source: { plugin: pgoutput, dsn: "$socket_dsn", slot: sandbox_closed, publication: leat }
    sinks: [{ plugin: file, directory: /srv/closed/out }]
YAML
  inside systemctl start leat@closed
  said() { inside journalctl -u leat@closed -o cat | grep -i 'read-only\|/srv/closed'; }
  until_ 20 said && ! inside ls /srv/closed/out
  local result=$?
  inside systemctl stop leat@closed
  return $result
}

certificates() { # an authority, and a certificate of 127.0.0.1 and localhost
  [[ -d $work/tls ]] && return 0
  mkdir "$work/tls" && (
    cd "$work/tls" &&
      openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj '/CN=authority' 2>/dev/null &&
      openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj '/CN=localhost' 2>/dev/null &&
      openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out server.pem \
        -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>/dev/null
  ) || return 1
  local file
  for file in ca.pem server.pem server.key; do write "/etc/leat/tls/$file" <"$work/tls/$file" || return 1; done
  script 'chmod 0755 /etc/leat/tls; chmod 0644 /etc/leat/tls/*; install -o postgres -g postgres -m 0600 /etc/leat/tls/server.key /srv/pg.key
    install -o postgres -g postgres -m 0644 /etc/leat/tls/server.pem /srv/pg.pem'
}
postgresql_tls() { # verify-full, with an authority of our own
  certificates && sql -c "ALTER SYSTEM SET ssl_cert_file = '/srv/pg.pem'" -c "ALTER SYSTEM SET ssl_key_file = '/srv/pg.key'" \
    -c 'SELECT pg_reload_conf()' || return 1
  drop_in leat@tls x <<<$'[Service]\nLoadCredential=pg_password:/etc/leat/secrets/pg_password' || return 1
  # shellcheck disable=SC2016 # leat expands it
  begin tls 'host=127.0.0.1 sslmode=verify-full sslrootcert=/etc/leat/tls/ca.pem dbname=postgres user=leat password=${credential:pg_password}' \
    '{ plugin: file, directory: /var/lib/leat/tls/out }' && delivered tls &&
    [[ $(sql -c "SELECT count(*) FROM pg_stat_replication r JOIN pg_stat_ssl USING (pid) JOIN pg_replication_slots s ON s.active_pid = pid
      WHERE ssl AND slot_name = 'sandbox_tls'") == 1 ]] && all_ids script 'cat /var/lib/leat/tls/out/*'
}

nats_tls() {
  certificates || return 1
  write /srv/nats.conf <<'CONF'
listen: "127.0.0.1:24222"
jetstream { store_dir: "/var/lib/nats-leat" }
tls { cert_file: "/etc/leat/tls/server.pem", key_file: "/etc/leat/tls/server.key" }
CONF
  inside systemd-run -q --unit=bus nats-server -c /srv/nats.conf &&
    begin nats "$socket_dsn" '{ plugin: nats, url: "tls://127.0.0.1:24222", tls: { ca: /etc/leat/tls/ca.pem }, stream: SHOP, create_stream: true, create: { subjects: ["cdc.>"] }, confirm_hold: 0s, route: "cdc.{table}" }' &&
    delivered nats || { inside journalctl -u bus -o cat -n 20; return 1; }
  local held
  held=$(script 'cat /var/lib/nats-leat/jetstream/*/streams/SHOP/msgs/*.blk' | grep -ao '"key":{"id":[0-9]*}' | wc -l)
  echo "$held messages are in the stream's files"
  ((held == sandbox_rows))
}
kafka() { # librdkafka's mock cluster, in a process of its own
  [[ -x $pkgs/kafka_mock ]] || cc -o "$pkgs/kafka_mock" "${source_dir:-$root}/tests/unit/kafka/kafka_mock.c" -lrdkafka || return 1
  inside systemd-run -q --unit=mock sh -c 'sleep infinity | /pkg/kafka_mock cdc.sandbox_kafka:1 >/srv/kafka' || return 1
  listens() { brokers=$(inside cat /srv/kafka 2>/dev/null) && [[ -n $brokers ]]; }
  until_ 10 listens && begin kafka "$socket_dsn" "{ plugin: kafka, brokers: '$brokers', route: 'cdc.{table}' }" && delivered kafka &&
    all_ids inside kcat -b "$brokers" -t cdc.sandbox_kafka -C -e -q
}
