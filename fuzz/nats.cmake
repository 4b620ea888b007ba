# SPDX-License-Identifier: Apache-2.0
# fuzz_nats_wire DIR fuzz/corpus/nats_wire, and fuzz_nats_json DIR fuzz/corpus/nats_json
leat_add_fuzzer(nats_wire SOURCES "${CMAKE_CURRENT_LIST_DIR}/nats/wire.c" LIBS nats_parts)
leat_add_fuzzer(nats_json SOURCES "${CMAKE_CURRENT_LIST_DIR}/nats/json.c" LIBS nats_parts)
