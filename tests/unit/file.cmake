# The file sink.
set(file_test "${CMAKE_CURRENT_LIST_DIR}/file")
foreach(part tail sink faults)
  leat_add_test(file_${part} SOURCES "${file_test}/test_${part}.c" "${file_test}/fixture.c"
    "${PROJECT_SOURCE_DIR}/sinks/file/plugin.c" LIBS file_sink fake_sink_host)
endforeach()
# By hand: bench_file_sink [DIRECTORY [MILLIONS]]
add_executable(bench_file_sink EXCLUDE_FROM_ALL "${file_test}/bench_sink.c" "${PROJECT_SOURCE_DIR}/sinks/file/plugin.c")
target_link_libraries(bench_file_sink PRIVATE file_sink)
