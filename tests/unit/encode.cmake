# SPDX-License-Identifier: Apache-2.0
# Encodings and routes.
set(dir "${CMAKE_CURRENT_SOURCE_DIR}/encode")
foreach(name encode_golden encode_property json_escape number_time json_pack route glob)
  leat_add_test(${name} SOURCES "${dir}/${name}_test.c" "${dir}/samples.c" LIBS leat_encode INCLUDES "${dir}")
endforeach()

# The escape scan without SSE2, as other machines have it.
leat_add_test(json_escape_portable SOURCES "${dir}/json_escape_test.c" "${PROJECT_SOURCE_DIR}/core/json_escape.c"
  "${PROJECT_SOURCE_DIR}/core/utf8.c" INCLUDES "${dir}")
target_compile_definitions(test_json_escape_portable PRIVATE LEAT_PORTABLE)

# Random changes in both encodings, read back by Python's json and a decoder of its own.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  add_executable(encode_dump "${dir}/encode_dump.c" "${dir}/samples.c")
  target_include_directories(encode_dump PRIVATE "${dir}")
  target_link_libraries(encode_dump PRIVATE leat_encode)
  set_target_properties(encode_dump PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  add_test(NAME encode_read_back COMMAND Python3::Interpreter "${dir}/read_back.py" $<TARGET_FILE:encode_dump>)
  set_tests_properties(encode_read_back PROPERTIES TIMEOUT 120)
endif()
