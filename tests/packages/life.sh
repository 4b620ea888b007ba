# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The life of the package in the tree: from the commands of docs/install.md over upgrade and downgrade to purge.

install_page() { follow install && grep '"table":"hello".*"who":"world"' "$work/page.out"; }
# Each command of the page stands in a paragraph of its own.
five_commands() {
  awk '/^## From the packages/ {on = 1} on && /^```sh/ {code = 1; next} code && /^```/ {exit} code' \
    "${source_dir:-$root}/docs/install.md" | awk -v RS= 'END {print NR " commands"; exit NR < 1 || NR > 5}'
}
owner() {
  [[ $(inside stat -c %U:%a /var/lib/leat) == leat:750 ]] && inside id leat &&
    [[ $(inside stat -c %U:%G:%a /run/leat/leat.sock) == leat:leat:660 ]]
}
check_says() { inside runuser -u leat -- leat check -c /etc/leat/leat.yaml; }
status_says() { inside runuser -u leat -- leat status -c /etc/leat/leat.yaml; }

# One stream of inserts, ids from 1 in order of commit, for as long as things happen.
records=0
start_load() {
  sql -c 'CREATE TABLE load (id int PRIMARY KEY, note text)' || return 1
  for ((i = 1; ; i++)); do
    printf "INSERT INTO load VALUES (%d, 'row %d');\n" $i $i
    if ((i % 5 == 0)); then
      [[ ! -e $work/load.ends ]] || break
      printf 'SELECT pg_sleep(0.02);\n'
    fi
  done | sql >/dev/null 2>"$work/load.log" &
  load=$!
}
load_runs() { kill -0 "$load" 2>/dev/null || { echo "the load has ended already: nothing was tried under it"; return 1; }; }
end_load() {
  : >"$work/load.ends"
  wait "$load"
  local status=$?
  load=''
  cat "$work/load.log"
  records=$(sql -c 'SELECT count(*) FROM load')
  echo "$records rows"
  return $status
}
restart_under_load() { until_ 60 has_ids /var/lib/leat/first 100 && inside systemctl restart leat && active leat && load_runs; }
# Of the two versions of a file of ours that was changed here, ours stays.
upgrade_under_load() {
  local before now pid_a pid_b
  script 'echo "# ours" >>/etc/leat/plugins.d/file.yaml'
  before=$(starts) pid_a=$(main_pid leat@a) pid_b=$(main_pid leat@b)
  script 'dpkg --force-confold -i /pkg/next/leat_*.deb' || return 1
  now=$(starts)
  echo "started $before times before, $now after; pids $pid_a $pid_b, $(main_pid leat@a) $(main_pid leat@b)"
  ((now == before + 1)) && active leat && replaced leat@a "$pid_a" && replaced leat@b "$pid_b" &&
    inside leat version --verbose | grep 'plugin ABI 1' && load_runs &&
    inside grep -q '^# ours' /etc/leat/plugins.d/file.yaml && inside grep -q '^# theirs' /etc/leat/plugins.d/file.yaml.dpkg-dist
}
downgrade_under_load() {
  local before
  before=$(starts)
  script 'dpkg --force-confold -i /pkg/leat_*.deb' && (($(starts) == before + 1)) && active leat && load_runs
}
each_once_in_order() { # FOLDER
  until_ 90 has_ids "$1" $records
  ids_in "$1" | diff - <(seq $records) | head -n 5
  [[ $(ids_in "$1" | md5sum) == "$(seq $records | md5sum)" ]]
}

plugins_come() { # a plugin's package restarts what runs, and is found
  local before
  before=$(starts)
  script 'dpkg -i /pkg/leat-sink-nats_*.deb /pkg/leat-sink-kafka_*.deb' || return 1
  inside leat plugins
  again() { (($(starts) == before + 1)); }
  until_ 20 again && active leat && [[ $(inside leat plugins --json | grep -o '"library"' | wc -l) -ge 4 ]] &&
    ! inside leat plugins --json | grep '"error"'
}

removed() {
  script 'dpkg -r $(dpkg-query -W -f "\${db:Status-Status} \${Package}\n" "leat*" | sed -n "s/^installed //p" | grep -v dbgsym)' || return 1
  inside find /var/lib/leat /etc/leat
  ! inside pgrep -x leat && has_ids /var/lib/leat/first $records && inside ls /etc/leat/plugins.d/file.yaml
}
purged() {
  script 'ls -lR --time-style=full-iso /var/lib/leat /etc/leat/*.yaml' >"$work/before"
  script 'dpkg -P $(dpkg-query -W -f "\${Package}\n" "leat*")' >"$work/purge" 2>&1 || { cat "$work/purge"; return 1; }
  cat "$work/purge"
  grep -q 'left as they are.*/var/lib/leat' "$work/purge" && grep -q 'left as it is.*/etc/leat' "$work/purge" &&
    grep -q 'slot' "$work/purge" && grep -q 'left as they are.*enabled.*drop-ins' "$work/purge" || return 1
  script 'ls -lR --time-style=full-iso /var/lib/leat /etc/leat/*.yaml' | diff "$work/before" - &&
    ! inside ls /etc/leat/plugins.d 2>/dev/null && inside id leat && ! inside sh -c 'systemctl list-unit-files | grep ^leat' &&
    ! inside sh -c 'ls -d /usr/lib/*/leat /usr/libexec/leat /usr/bin/leat* /usr/share/man/man?/leat* 2>/dev/null'
}
comes_back() {
  script 'dpkg -i /pkg/leat_*.deb' && active leat && sql -c "INSERT INTO hello VALUES (2, 'again')" || return 1
  back() { inside sh -c 'cat /var/lib/leat/first/*.ndjson' | grep -q '"who":"again"'; }
  until_ 30 back && each_once_in_order /var/lib/leat/first
}
