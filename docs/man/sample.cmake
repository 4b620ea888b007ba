# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# Writes the sample configuration, if the program can print one.
execute_process(COMMAND "${TOOL}" plugins --sample OUTPUT_VARIABLE sample RESULT_VARIABLE code)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "leat plugins --sample ended with ${code}")
endif()
file(WRITE "${OUTPUT}" "${sample}")
