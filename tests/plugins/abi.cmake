# SPDX-License-Identifier: Apache-2.0
# What plugins rely on of the header: see abi/run.py.
if(NOT LEAT_SANITIZE)
  set(run "${PROJECT_SOURCE_DIR}/tests/abi/run.py")
  add_test(NAME sdk_header COMMAND /usr/bin/python3 "${run}" header)
  add_test(NAME sdk_baseline COMMAND /usr/bin/python3 "${run}" baseline)
  add_test(NAME sdk_minors COMMAND /usr/bin/python3 "${run}" minors "${PROJECT_BINARY_DIR}")
  set_tests_properties(sdk_header sdk_baseline PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
  set_tests_properties(sdk_minors PROPERTIES TIMEOUT 600 PROCESSORS 2)
endif()
