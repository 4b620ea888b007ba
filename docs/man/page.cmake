# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# Fills one manual page: @VERSION@, @OPTIONS@ (of PLUGIN) and @OPTIONS:TABLE@.
file(READ "${INPUT}" page)
string(REPLACE "@VERSION@" "${VERSION}" page "${page}")
string(REPLACE "@OPTIONS@" "@OPTIONS:${PLUGIN}@" page "${page}")
while(page MATCHES "@OPTIONS:([a-z0-9_-]+)@\n")
  set(table "${CMAKE_MATCH_1}")
  execute_process(COMMAND "${TOOL}" plugins --mdoc "${table}"
    OUTPUT_VARIABLE options RESULT_VARIABLE code ERROR_VARIABLE said)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "leat plugins --mdoc ${table} ended with ${code}: ${said}")
  endif()
  string(REPLACE "@OPTIONS:${table}@\n" "${options}" page "${page}")
endwhile()
file(WRITE "${OUTPUT}" "${page}")
