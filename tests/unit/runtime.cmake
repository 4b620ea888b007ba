# SPDX-License-Identifier: Apache-2.0
foreach(part pool ring window state source_loop dead_letter)
  leat_add_test(${part} SOURCES runtime/test_${part}.c LIBS leat_core)
endforeach()
set_tests_properties(ring PROPERTIES LABELS threads)
add_dependencies(threaded test_ring)
