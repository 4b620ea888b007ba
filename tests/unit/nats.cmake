# The NATS sink: its parts alone, and against real servers (nats.c is the tests' independent reader).
# A current server is fetched once by tests/integration/nats/get-server; without one, its tests are skipped by name.
set(nats_tests "${PROJECT_SOURCE_DIR}/tests/integration/nats")
set(nats_current "${PROJECT_SOURCE_DIR}/build/nats-server-2.15.1")
find_library(NATS_LIBRARY nats)

add_test(NAME nats_get_server COMMAND "${nats_tests}/get-server" "${nats_current}")
set_tests_properties(nats_get_server PROPERTIES FIXTURES_SETUP nats_server TIMEOUT 120)

# Not leat_add_test: the core's folder has headers of the same names, and is none of the sink's business.
add_executable(test_nats_parts "${CMAKE_CURRENT_SOURCE_DIR}/nats/test_parts.c")
target_link_libraries(test_nats_parts PRIVATE nats_parts cmocka)
set_target_properties(test_nats_parts PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
add_test(NAME nats_parts COMMAND test_nats_parts)

if(NATS_LIBRARY)
  add_library(nats_rig STATIC "${nats_tests}/bus.c" "${nats_tests}/rig.c" "${PROJECT_SOURCE_DIR}/sinks/nats/sink.c")
  target_include_directories(nats_rig PUBLIC "${nats_tests}")
  target_compile_definitions(nats_rig PRIVATE LEAT_NATS_CURRENT="${nats_current}")
  target_link_libraries(nats_rig PUBLIC leat_flags nats_parts fake_sink_host "${NATS_LIBRARY}")
  add_executable(nats_publish EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/bench/nats_publish.c")
  target_link_libraries(nats_publish PRIVATE nats_rig)
  set_target_properties(nats_publish PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
  foreach(name atomic deliver faults login power)
    add_executable(test_nats_${name} "${nats_tests}/test_${name}.c")
    target_link_libraries(test_nats_${name} PRIVATE nats_rig cmocka)
    set_target_properties(test_nats_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    foreach(which debian current)
      add_test(NAME nats_${name}_${which} COMMAND test_nats_${name} ${which})
      set_tests_properties(nats_${name}_${which} PROPERTIES TIMEOUT 300 FIXTURES_REQUIRED nats_server)
    endforeach()
    set_tests_properties(nats_${name}_debian PROPERTIES COST 20)
  endforeach()
endif()
