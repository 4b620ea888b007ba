# SPDX-License-Identifier: Apache-2.0
# The daemon's side of a sink in a process of its own, against processes that break every rule.
leat_add_test(isolate SOURCES ${CMAKE_CURRENT_LIST_DIR}/isolate/test_isolate.c
  ${CMAKE_CURRENT_LIST_DIR}/isolate/breaches.c ${CMAKE_CURRENT_LIST_DIR}/isolate/helper.c
  ${CMAKE_CURRENT_LIST_DIR}/isolate/rig.c LIBS leat_core)
set_tests_properties(isolate PROPERTIES LABELS threads TIMEOUT 240)
add_dependencies(threaded test_isolate)
