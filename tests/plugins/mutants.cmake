# SPDX-License-Identifier: Apache-2.0
# Templates with one thing wrong each: leat-plugin-check names the clause.
if(NOT LEAT_SANITIZE)
  add_test(NAME sdk_mutants COMMAND /usr/bin/python3 "${CMAKE_CURRENT_SOURCE_DIR}/mutants/run.py"
    "${PROJECT_BINARY_DIR}/leat-plugin-check" "${PROJECT_SOURCE_DIR}/core/include"
    "${PROJECT_SOURCE_DIR}/examples/plugin-template/template.c" "${CMAKE_CURRENT_SOURCE_DIR}/fakes/fake_source.c")
  set_tests_properties(sdk_mutants PROPERTIES TIMEOUT 300 PROCESSORS 2)
endif()
