# SPDX-License-Identifier: Apache-2.0
# Encodings and routes: a library of objects, so that their tests and fuzzers need nothing else.
add_library(leat_encode OBJECT
  encode.c encode_json.c encode_json_size.c encode_msgpack.c encode_msgpack_value.c relation_cache.c json_escape.c utf8.c
  pack.c json_pack.c json_unescape.c number.c iso_time.c
  route.c route_rule.c route_template.c route_expand.c glob.c)
target_include_directories(leat_encode PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}/include")
target_link_libraries(leat_encode PUBLIC leat_flags)
target_sources(leat_core PRIVATE $<TARGET_OBJECTS:leat_encode>)

# Nanoseconds a record; built only when asked for: ninja encode_bench
add_executable(encode_bench EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/bench/encode_bench.c")
target_link_libraries(encode_bench PRIVATE leat_encode)
