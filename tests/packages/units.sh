# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the units promise: closed, notified, watched, started again later and later, with credentials.

verify_units() { # systemd prints to stderr what it does not like
  local said
  said=$(inside systemd-analyze verify --man=no leat.service leat@x.service 2>&1 | grep leat)
  echo "$said"
  [[ -z $said ]]
}
closed() {
  local pid
  pid=$(main_pid leat)
  inside grep -E '^(CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status" | tr -s '\t\n' ' ' | tee /dev/stderr |
    grep -qE 'CapEff: 0+ NoNewPrivs: 1 Seccomp: 2' &&
    inside nsenter -t "$pid" -m -- sh -c '! touch /etc/leat/x && ! touch /usr/x && ! touch /srv/x && ! ls /home/* /root/*'
}
notified() { # READY and STATUS come from the daemon, and a reload that fails says so
  [[ $(inside systemctl show -P Type leat) == notify && $(inside systemctl show -P WatchdogUSec leat) == 1min ]] || return 1
  running() { inside systemctl show -P StatusText leat | grep "$@"; }
  until_ 20 running '^1 pipeline' || return 1
  script 'cp /etc/leat/leat.yaml /root/good.yaml; echo "pipelinez: []" >>/etc/leat/leat.yaml; systemctl reload leat'
  until_ 20 running -i 'reload' || { inside systemctl status leat; return 1; }
  script 'cp /root/good.yaml /etc/leat/leat.yaml; systemctl reload leat'
  until_ 20 running '^1 pipeline' && active leat
}

# Instance a: TCP with TLS, and its password out of a credential.  Instance b: the socket.  Instance c: its sink in a
# process of its own.
two_instances() {
  sql -c "ALTER ROLE leat PASSWORD 'not a secret'" || return 1
  instance() { # NAME DSN OPTIONS
    write "/etc/leat/$1.yaml" <<YAML
pipelines:
  - name: $1
    source: { plugin: pgoutput, dsn: "$2", slot: leat_$1, publication: leat }
    sinks: [{ plugin: file, directory: /var/lib/leat/$1/out${3:-} }]
YAML
  }
  # shellcheck disable=SC2016 # leat expands it
  instance a 'host=127.0.0.1 sslmode=require dbname=postgres user=leat password=${credential:pg_password}'
  instance b 'host=/run/postgresql dbname=postgres user=leat'
  instance c 'host=/run/postgresql dbname=postgres user=leat' ', isolate: true'
  # shellcheck disable=SC2016
  script 'mkdir -m 0700 /etc/leat/secrets && printf "%s" "$1" >/etc/leat/secrets/pg_password
    chmod 0600 /etc/leat/secrets/pg_password' - "'not a secret'" || return 1
  drop_in leat@a x <<<$'[Service]\nLoadCredential=pg_password:/etc/leat/secrets/pg_password' || return 1
  script 'systemctl enable --now leat@a leat@b leat@c'
  streams() { [[ $(sql -c "SELECT count(*) FROM pg_replication_slots WHERE active") == 4 ]]; }
  until_ 30 streams || { inside journalctl -n 30 -o cat -u 'leat@*'; return 1; }
  [[ $(sql -c "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl") == 1 ]] &&
    inside ls /run/leat-a/leat.sock /run/leat-b/leat.sock /run/leat/leat.sock &&
    ! inside nsenter -t "$(main_pid leat@a)" -m -- sh -c 'touch /var/lib/leat/b/x || touch /var/lib/leat/x'
}
configuration_error_stays_down() {
  script 'echo "pipelinez: []" >/etc/leat/bad.yaml; systemctl start leat@bad' || true
  ended() { [[ $(inside systemctl is-active leat@bad) == failed ]]; }
  until_ 20 ended || { inside systemctl status leat@bad; return 1; }
  [[ $(inside systemctl show -P ExecMainStatus leat@bad) == 78 && $(inside systemctl show -P NRestarts leat@bad) == 0 ]]
}
die() { inside systemctl kill --kill-whom=main --signal="$2" "$1"; } # UNIT SIGNAL
killed_is_restarted() {
  local pid
  pid=$(main_pid leat@b)
  die leat@b ABRT
  until_ 60 replaced leat@b "$pid" && load_runs
}
isolated_is_begun_again() { # in the unit's sandbox; the unit itself stays
  local pid helper
  pid=$(main_pid leat@c)
  helper_of_c() { helper=$(inside pgrep -P "$pid" -x leat-sink); }
  until_ 30 helper_of_c && inside grep -E '^(CapEff|NoNewPrivs|Seccomp):' "/proc/$helper/status" | tr -s '\t\n' ' ' |
    tee /dev/stderr | grep -qE 'CapEff: 0+ NoNewPrivs: 1 Seccomp: 2' || return 1
  inside kill -SEGV "$helper"
  another() { [[ $(inside pgrep -P "$pid" -x leat-sink) =~ ^[0-9]+$ && ${BASH_REMATCH[0]} != "$helper" ]]; }
  until_ 60 another && [[ $(main_pid leat@c) == "$pid" && $(inside systemctl show -P OOMPolicy leat@c) == continue ]] &&
    inside journalctl -u leat@c -o cat | grep 'was killed by signal 11' && load_runs
}
frozen_is_restarted() {
  local pid
  drop_in leat@b y <<<$'[Service]\nWatchdogSec=3' && inside systemctl restart leat@b || return 1
  pid=$(main_pid leat@b)
  die leat@b STOP
  until_ 60 replaced leat@b "$pid" && inside journalctl -u leat@b -o cat | grep -i watchdog || return 1
  inside rm /etc/systemd/system/leat@b.service.d/y.conf && inside systemctl daemon-reload && inside systemctl restart leat@b
}
# Crash after crash, the pauses grow; a restart by hand in one of them waits for nothing, and forgets them.
pause_of() { # UNIT: from the beginning of its start to that of its program, in ms
  inside systemctl show -P InactiveExitTimestampMonotonic -P ExecMainStartTimestampMonotonic "$1" | paste -sd' ' |
    { read -r a b; echo $(((a > b ? a - b : b - a) / 1000)); }
}
restarts_grow() {
  local pid pauses=() i
  inside systemctl restart leat@b || return 1
  for i in 1 2 3 4; do
    pid=$(main_pid leat@b)
    die leat@b KILL
    until_ 60 replaced leat@b "$pid" || return 1
    pauses+=("$(pause_of leat@b)")
  done
  echo "paused for ${pauses[*]} ms"
  ((pauses[0] < 2000 && pauses[1] >= 2000 && pauses[2] >= 4000 && pauses[3] >= 8000)) || return 1
  die leat@b KILL
  paused() { [[ $(inside systemctl show -P SubState leat@b) == start-pre ]]; }
  until_ 20 paused && inside systemctl restart leat@b && active leat@b || return 1
  echo "by hand after $(pause_of leat@b) ms; $(inside ls -A /run/leat-b)"
  (($(pause_of leat@b) < 2000)) && ! inside ls /run/leat-b/failures
}
