# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A clean Debian under a real systemd as PID 1, without a network; what happens in it is thrown away with it.
# Uses $tree and $pkgs (which is /pkg inside); sets $init, its PID 1.

init='' nspawn='' load=''

inside() { nsenter -t "$init" -a -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }
script() { inside sh -euc "$@"; }
write() { inside sh -c "mkdir -p \"\${1%/*}\" && cat >\"\$1\"" - "$1"; } # FILE, from standard input

boot() {
  systemd-nspawn -q --register=no --keep-unit --boot -D "$tree" --volatile=overlay --private-network \
    --bind-ro="$pkgs:/pkg" --console=passive </dev/null >"$work/boot.log" 2>&1 &
  nspawn=$!
  found() { init=$(pgrep -P $nspawn -x systemd); }
  gone_or_found() { found || ! kill -0 $nspawn 2>/dev/null; }
  up() { [[ $(inside systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]]; }
  until_ 30 gone_or_found && [[ -n $init ]] && until_ 90 up && inside systemctl is-active postgresql@15-main
}
power_off() {
  [[ -n $nspawn ]] || return 0
  gone() { ! kill -0 "$nspawn" 2>/dev/null; }
  if [[ -n $init ]]; then inside systemctl poweroff >/dev/null 2>&1; fi
  if ! until_ 60 gone; then
    [[ -z $init ]] || kill -9 "$init" 2>/dev/null
    until_ 5 gone || kill -9 "$nspawn"
  fi
  wait "$nspawn" 2>/dev/null
  nspawn='' init=''
}

sql() { inside runuser -u postgres -- psql -qXAt -v ON_ERROR_STOP=1 "$@" postgres; }
active() { [[ $(inside systemctl is-active "$1") == active ]]; }
main_pid() { inside systemctl show -P MainPID "$1"; }
starts() { inside journalctl -u "${1:-leat}" -o cat | grep -c '^Started leat'; }
# Another process than PID, and up.
replaced() { active "$1" && [[ $(main_pid "$1") != "$2" ]]; }
drop_in() { # UNIT NAME (without .service), from standard input
  write "/etc/systemd/system/$1.service.d/$2.conf" && inside systemctl daemon-reload
}

# A page's commands, word for word, in a new folder with the packages in it.
follow() { # PAGE
  commands_of "$1" >"$work/page"
  script "mkdir -p /srv/$1 && cp /pkg/leat_*.deb /pkg/leat-dev_*.deb /srv/$1/ && cat >/srv/$1/page" <"$work/page"
  inside sh -c "cd /srv/$1 && timeout 400 bash -e page </dev/null" >"$work/page.out" 2>&1
  local status=$?
  cat "$work/page.out"
  return $status
}
commands_of() { awk '/^```sh/ {on = 1; next} /^```/ {on = 0} on' "${source_dir:-$root}/docs/$1.md"; }

# The ids of the table "load", in the order in which they are in the files of a folder.
ids_in() { inside sh -c "cat $1/*.ndjson 2>/dev/null" | sed -n 's/^{"op":"insert","schema":"public","table":"load".*"key":{"id":\([0-9]*\)}.*/\1/p'; }
has_ids() { (($(ids_in "$1" | wc -l) >= $2)); }
