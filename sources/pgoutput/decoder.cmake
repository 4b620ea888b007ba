# SPDX-License-Identifier: Apache-2.0
# The decoder as a library of its own, which tests, fuzzers and the benchmark link without libpq.
add_library(pgoutput_decoder STATIC
  ${CMAKE_CURRENT_LIST_DIR}/array.c
  ${CMAKE_CURRENT_LIST_DIR}/composite.c
  ${CMAKE_CURRENT_LIST_DIR}/decoder.c
  ${CMAKE_CURRENT_LIST_DIR}/decoder_batch.c
  ${CMAKE_CURRENT_LIST_DIR}/decoder_event.c
  ${CMAKE_CURRENT_LIST_DIR}/decoder_refuse.c
  ${CMAKE_CURRENT_LIST_DIR}/decoder_row.c
  ${CMAKE_CURRENT_LIST_DIR}/json_compact.c
  ${CMAKE_CURRENT_LIST_DIR}/layer.c
  ${CMAKE_CURRENT_LIST_DIR}/message.c
  ${CMAKE_CURRENT_LIST_DIR}/nested.c
  ${CMAKE_CURRENT_LIST_DIR}/relation.c
  ${CMAKE_CURRENT_LIST_DIR}/relation_table.c
  ${CMAKE_CURRENT_LIST_DIR}/scalar.c
  ${CMAKE_CURRENT_LIST_DIR}/tuple.c
  ${CMAKE_CURRENT_LIST_DIR}/type.c
  ${CMAKE_CURRENT_LIST_DIR}/type_builtin.c)
set_target_properties(pgoutput_decoder PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_include_directories(pgoutput_decoder PUBLIC "${PROJECT_SOURCE_DIR}/core/include" ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(pgoutput_decoder PRIVATE leat_flags)
