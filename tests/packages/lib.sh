# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks by name, for scripts/test-packages and scripts/test-machine.  Prints "ok NAME", "FAIL NAME" or
# "skip NAME: reason"; what a failed check printed follows it.

passed=0 failed=0 skipped=0
cannot='' # why this machine cannot run what follows: every check is then skipped, by its name
work=$(mktemp -d)

skip() { echo "skip $1: $2"; skipped=$((skipped + 1)); }
summary() { echo "$passed passed, $failed failed, $skipped skipped"; }

check() { # NAME COMMAND...
  local name=$1
  shift
  if [[ -n $cannot ]]; then
    skip "$name" "$cannot"
    return 1
  fi
  if "$@" >"$work/check.log" 2>&1; then
    echo "ok $name ($SECONDS s)"
    passed=$((passed + 1))
  else
    echo "FAIL $name"
    failed=$((failed + 1))
    sed 's/^/  | /' "$work/check.log" | tail -n 60
    return 1
  fi
}

until_() { # SECONDS COMMAND...
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# Of a log, why something is skipped: its first complaint, else its last line.
reason_in() {
  tr -cd '[:print:]\n' <"$1" | grep -v '^ *$' >"$1.plain"
  grep -m 1 -E '^ *([EW]|Err)[:0-9]' "$1.plain" || tail -n 1 "$1.plain"
}

# TREE INCLUDE: a Debian 12 with these packages, from the mirrors that this machine uses itself.  It is kept.
make_tree() {
  local tree=$1 include=$2 sources
  [[ -d $tree && $(cat "$tree.made" 2>/dev/null) == "$include" ]] && return 0
  rm -rf "$tree" "$tree.made"
  mkdir -p "${tree%/*}"
  sources=$(ls /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
  mmdebstrap --variant=apt --include="$include" bookworm "$tree" "$sources" && echo "$include" >"$tree.made"
}

is_debian_12() { [[ $(. /etc/os-release && echo "$ID $VERSION_ID") == 'debian 12' ]]; }
