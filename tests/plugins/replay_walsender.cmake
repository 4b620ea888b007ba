# SPDX-License-Identifier: Apache-2.0
# A stand-in walsender for the benchmark and for faults of the wire; no sanitizer slows it down.
find_package(PkgConfig REQUIRED)
pkg_check_modules(REPLAY_LIBPQ REQUIRED IMPORTED_TARGET libpq)
add_executable(replay_walsender "${CMAKE_CURRENT_LIST_DIR}/replay_walsender.c")
target_compile_definitions(replay_walsender PRIVATE _GNU_SOURCE)
target_compile_options(replay_walsender PRIVATE -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes)
target_link_libraries(replay_walsender PRIVATE PkgConfig::REPLAY_LIBPQ)
set_target_properties(replay_walsender PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
