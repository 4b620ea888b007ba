# SPDX-License-Identifier: Apache-2.0
# The Kafka sink's own files are linked into its tests, so that these reach inside.
set(kafka_tests "${CMAKE_CURRENT_LIST_DIR}/kafka")
# Not under the thread sanitizer: Debian's librdkafka starts its threads with C11's thrd_create, which
# gcc 12's TSan does not know, and dies in the first of them.  No thread of ours is in the sink; the log
# callback is all that runs on theirs.
if(TARGET kafka_sink AND NOT LEAT_SANITIZE STREQUAL "thread")
  add_library(kafka_rig STATIC "${kafka_tests}/rig.c")
  target_include_directories(kafka_rig PUBLIC "${kafka_tests}")
  target_link_libraries(kafka_rig PUBLIC leat_flags kafka_sink fake_sink_host cmocka)
  foreach(name kafka_sink kafka_faults)
    leat_add_test(${name} SOURCES "${kafka_tests}/test_${name}.c" LIBS kafka_rig)
    set_tests_properties(${name} PROPERTIES COST 30)
  endforeach()

  # For tests that kill processes, and for measuring: the sink with a host of its own, the mock, what an
  # administrator does, and an outside consumer.
  foreach(program kafka_drive kafka_mock kafka_admin kafka_latency)
    add_executable(${program} "${kafka_tests}/${program}.c")
    target_link_libraries(${program} PRIVATE kafka_sink Threads::Threads)
    set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    add_dependencies(product ${program})
  endforeach()

  pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
  # What the benchmark holds the sink against: librdkafka with next to nothing round it.
  add_executable(kafka_publish "${PROJECT_SOURCE_DIR}/bench/kafka_publish.c")
  target_link_libraries(kafka_publish PRIVATE kafka_sink PkgConfig::LIBPQ)
  set_target_properties(kafka_publish PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
endif()
