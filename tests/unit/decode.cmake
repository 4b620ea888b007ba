# SPDX-License-Identifier: Apache-2.0
set(decode_dir "${CMAKE_CURRENT_LIST_DIR}/decode")
foreach(part messages rows values memory)
  leat_add_test(decode_${part} SOURCES ${decode_dir}/test_${part}.c ${decode_dir}/fixture.c
    LIBS pgoutput_decoder fake_source_host INCLUDES ${decode_dir})
endforeach()

# Needs a PostgreSQL server's programs and psycopg2; skipped, by name, where there are none.
# The distribution's python3 first: it is the one that its psycopg2 is for.
find_program(LEAT_PYTHON python3 HINTS /usr/bin)
if(LEAT_PYTHON)
  add_executable(decode_print ${decode_dir}/decode_print.c)
  target_link_libraries(decode_print PRIVATE leat_flags pgoutput_stream fake_source_host)
  set_target_properties(decode_print PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  add_test(NAME decode_types_real COMMAND ${LEAT_PYTHON} ${decode_dir}/types_real.py $<TARGET_FILE:decode_print>)
  set_tests_properties(decode_types_real PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
endif()

# On demand: `ninja decode_bench`.
add_executable(decode_bench EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/bench/decode_bench.c")
target_include_directories(decode_bench PRIVATE ${decode_dir})
target_link_libraries(decode_bench PRIVATE leat_flags pgoutput_decoder)
set_target_properties(decode_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
