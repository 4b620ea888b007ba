# SPDX-License-Identifier: Apache-2.0
# The host's side of a source, for the unit tests of sources: link fake_source_host.
add_library(fake_source_host STATIC "${CMAKE_CURRENT_LIST_DIR}/fake_source_host.c")
target_include_directories(fake_source_host PUBLIC "${CMAKE_CURRENT_LIST_DIR}" "${PROJECT_SOURCE_DIR}/core/include")
target_link_libraries(fake_source_host PUBLIC leat_flags)
