# SPDX-License-Identifier: Apache-2.0
# The admin endpoint: its parts in C, and a whole daemon with the fake plugins, asked from outside.
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
leat_add_test(admin SOURCES ${CMAKE_CURRENT_LIST_DIR}/admin/test_admin.c
  LIBS leat_core PkgConfig::MICROHTTPD)
set_tests_properties(admin PROPERTIES LABELS threads)
add_dependencies(threaded test_admin)
leat_add_test(figures SOURCES ${CMAKE_CURRENT_LIST_DIR}/admin/test_figures.c LIBS leat_core)
foreach(case answers hold not_ready recovers malformed half_open trickle secrets sockets commands drain
        status_command systemd page metrics log_lines)
  add_test(NAME admin_${case} COMMAND /usr/bin/python3 "${CMAKE_CURRENT_LIST_DIR}/admin/run.py"
    "$<TARGET_FILE:leat>" "${PROJECT_BINARY_DIR}/tests/plugins.d" ${case})
  set_tests_properties(admin_${case} PROPERTIES LABELS threads TIMEOUT 120)
endforeach()
set_tests_properties(admin_log_lines admin_half_open admin_trickle PROPERTIES COST 40) # they wait: begin them first
