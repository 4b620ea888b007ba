leat_add_fuzzer(tail SOURCES "${CMAKE_CURRENT_LIST_DIR}/tail.c" LIBS file_sink)
