# The file sink.
set(file_test "${CMAKE_CURRENT_LIST_DIR}/file")
foreach(part tail sink faults)
  leat_add_test(file_${part} SOURCES "${file_test}/test_${part}.c" "${file_test}/fixture.c"
    "${PROJECT_SOURCE_DIR}/sinks/file/plugin.c" LIBS file_sink fake_sink_host)
endforeach()
