# The host's side of a sink, for the unit tests of sinks: link fake_sink_host.
add_library(fake_sink_host STATIC "${CMAKE_CURRENT_LIST_DIR}/fake_sink_host.c")
target_include_directories(fake_sink_host PUBLIC "${CMAKE_CURRENT_LIST_DIR}" "${PROJECT_SOURCE_DIR}/core/include")
target_link_libraries(fake_sink_host PUBLIC leat_flags Threads::Threads)
