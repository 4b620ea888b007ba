#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the Kafka sink alone costs: against librdkafka's mock cluster in a process of its own.
# usage: bench/kafka_mock.sh [BUILD_DIRECTORY]
set -eu
cd "$(dirname "$0")/.."
tests=${1:-build/release}/tests
out=$(mktemp); trap 'rm -f "$out"' EXIT

run() { # name, arguments of kafka_drive...
    name=$1; shift
    : >"$out"
    mkfifo "$out.hold"
    "$tests/kafka_mock" t:4 <"$out.hold" >"$out" 2>/dev/null &
    exec 9>"$out.hold"; rm -f "$out.hold"
    until [ -s "$out" ]; do kill -0 $! || exit 1; done
    printf '%-24s ' "$name"
    "$tests/kafka_drive" "brokers=$(head -n 1 "$out")" topic=t "$@" 2>/dev/null | sed -n 's/^done //p'
    exec 9>&-
    wait
}

for compression in none lz4 zstd; do
    run "$compression" count=1000000 size=250 compression=$compression
done
for window in 1024 32768; do
    run "lz4, window $window" count=1000000 size=250 window=$window
done
run "1,000/s, linger 0" count=5000 size=250 batch=1 rate=1000 linger=0
run "1,000/s, linger 1 ms" count=5000 size=250 batch=1 rate=1000 linger=1
