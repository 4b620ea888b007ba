# SPDX-License-Identifier: Apache-2.0
# The stream of the pgoutput source: pure rules, and the whole against a real server.
leat_add_test(stream_rules SOURCES ${CMAKE_CURRENT_LIST_DIR}/stream/stream_rules.c LIBS pgoutput_stream)
# Not the whole library: the wait and the socket are the test's own.
set(stream_sources "${PROJECT_SOURCE_DIR}/sources/pgoutput")
leat_add_test(stream_pace SOURCES ${CMAKE_CURRENT_LIST_DIR}/stream/stream_pace.c ${stream_sources}/pace.c
  ${stream_sources}/feedback.c ${stream_sources}/wal.c INCLUDES ${stream_sources} ${LIBPQ_INCLUDE_DIRS})

add_library(stream_fixture STATIC ${CMAKE_CURRENT_LIST_DIR}/stream/stream_host.c ${CMAKE_CURRENT_LIST_DIR}/stream/pg_server.c
  ${CMAKE_CURRENT_LIST_DIR}/stream/real.c)
target_include_directories(stream_fixture PUBLIC "${CMAKE_CURRENT_LIST_DIR}/stream")
target_link_libraries(stream_fixture PUBLIC pgoutput_stream cmocka)

foreach(name real begin commands)
  leat_add_test(stream_${name} SOURCES ${CMAKE_CURRENT_LIST_DIR}/stream/stream_${name}.c LIBS stream_fixture)
  set_tests_properties(stream_${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 COST 10)
endforeach()

# Reads a slot as fast as it can and says how fast that was; for tuning by hand.
add_executable(stream_speed ${CMAKE_CURRENT_LIST_DIR}/stream/stream_speed.c)
target_link_libraries(stream_speed PRIVATE stream_fixture)
set_target_properties(stream_speed PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")

leat_add_test(stream_replay SOURCES ${CMAKE_CURRENT_LIST_DIR}/stream/stream_replay.c LIBS stream_fixture)
target_compile_definitions(test_stream_replay PRIVATE REPLAY_WALSENDER="$<TARGET_FILE:replay_walsender>")
add_dependencies(test_stream_replay replay_walsender)
