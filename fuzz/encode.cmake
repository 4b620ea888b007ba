# SPDX-License-Identifier: Apache-2.0
# Encodings and routes.
leat_add_fuzzer(route SOURCES "${CMAKE_CURRENT_SOURCE_DIR}/route.c" LIBS leat_encode)
leat_add_fuzzer(json_pack SOURCES "${CMAKE_CURRENT_SOURCE_DIR}/json_pack.c" LIBS leat_encode)
leat_add_fuzzer(encode SOURCES "${CMAKE_CURRENT_SOURCE_DIR}/encode.c" LIBS leat_encode)
