# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# Compares the committed sample with what the program prints, and has the program check it.
execute_process(COMMAND "${TOOL}" plugins --sample OUTPUT_VARIABLE printed RESULT_VARIABLE code)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "leat plugins --sample ended with ${code}")
endif()
file(READ "${SAMPLE}" committed)
if(NOT printed STREQUAL committed)
  message(FATAL_ERROR "config.yaml is not what the option tables print; build the target `docs`")
endif()
execute_process(COMMAND "${TOOL}" check --offline -c "${SAMPLE}" RESULT_VARIABLE code
  OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "leat check --offline -c config.yaml ended with ${code}:\n${said}")
endif()
