# SPDX-License-Identifier: Apache-2.0
# What an operator sees: the endpoint, its page, leat status, and systemd's notifications.
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
add_custom_command(OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/page.c"
  COMMAND "${CMAKE_COMMAND}" -D "IN=${CMAKE_CURRENT_LIST_DIR}/page/index.html"
    -D "OUT=${CMAKE_CURRENT_BINARY_DIR}/page.c" -P "${CMAKE_CURRENT_LIST_DIR}/page/embed.cmake"
  DEPENDS "${CMAKE_CURRENT_LIST_DIR}/page/index.html" "${CMAKE_CURRENT_LIST_DIR}/page/embed.cmake")
target_sources(leat_core PRIVATE
  note.c registry.c status.c status_words.c status_ready.c status_json.c status_metrics.c status_process.c status_given.c metric_text.c status_table.c text_buffer.c
  listen.c admin.c admin_answer.c admin_question.c admin_command.c notify.c watchdog.c status_line.c
  "${CMAKE_CURRENT_BINARY_DIR}/page.c")
target_link_libraries(leat_core PRIVATE PkgConfig::MICROHTTPD)
