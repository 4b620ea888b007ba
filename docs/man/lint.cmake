# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# What mandoc says of a page, but for pages that are not installed and the length of source lines.
# Each stream by itself: in one variable they would meet in the middle of a line.
execute_process(COMMAND "${MANDOC}" -Tlint -W style "${PAGE}" OUTPUT_VARIABLE said ERROR_VARIABLE complaints)
string(APPEND said "${complaints}")
string(REGEX REPLACE "[^\n]*(referenced manual not found|outdated mandoc.db|Mdocdate|longer than 80 bytes)[^\n]*\n" "" said "${said}")
if(NOT said STREQUAL "")
  message(FATAL_ERROR "${said}")
endif()
