# SPDX-License-Identifier: Apache-2.0
# Flags and the few functions that the folders' build files use.

# Assertions stay in release builds: no -DNDEBUG.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

add_library(leat_flags INTERFACE)
target_compile_definitions(leat_flags INTERFACE _GNU_SOURCE LEAT_VERSION="${PROJECT_VERSION}")
target_compile_options(leat_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -fno-omit-frame-pointer -fstack-protector-strong)
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(leat_flags INTERFACE LEAT_DEBUG=1)
else()
  target_compile_options(leat_flags INTERFACE -O2)
  if(NOT LEAT_SANITIZE)
    target_compile_options(leat_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
endif()
if(LEAT_SANITIZE)
  target_compile_options(leat_flags INTERFACE -fsanitize=${LEAT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(leat_flags INTERFACE -fsanitize=${LEAT_SANITIZE})
endif()
if(LEAT_FUZZ)
  target_compile_options(leat_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# leat_add_plugin(NAME SOURCES ... LIBS ...): build/<preset>/plugins/NAME.so
function(leat_add_plugin name)
  cmake_parse_arguments(P "" "" "SOURCES;LIBS" ${ARGN})
  add_library(plugin_${name} MODULE ${P_SOURCES})
  target_include_directories(plugin_${name} PRIVATE "${PROJECT_SOURCE_DIR}/core/include" "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(plugin_${name} PRIVATE leat_flags ${P_LIBS})
  if(NOT (LEAT_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "Clang"))
    target_link_options(plugin_${name} PRIVATE -Wl,-z,defs)
  endif()
  target_link_options(plugin_${name} PRIVATE -Wl,-z,nodelete)
  set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME "${name}"
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/plugins")
  install(TARGETS plugin_${name} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/leat/plugins-1")
endfunction()

# leat_add_test(NAME SOURCES ... LIBS ... INCLUDES ...): one cmocka program, one ctest entry.
function(leat_add_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LIBS;INCLUDES;ARGS" ${ARGN})
  add_executable(test_${name} ${T_SOURCES})
  target_include_directories(test_${name} PRIVATE "${PROJECT_SOURCE_DIR}/core/include" "${PROJECT_SOURCE_DIR}/core"
    "${CMAKE_CURRENT_SOURCE_DIR}" ${T_INCLUDES})
  target_link_libraries(test_${name} PRIVATE leat_flags cmocka Threads::Threads ${T_LIBS})
  set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  add_test(NAME ${name} COMMAND test_${name} ${T_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT 120)
endfunction()

# What scripts/test asks for, where a build is for one kind of test: "product" is everything but the unit tests (so, what
# tests/integration, tests/crash and tests/sdk run), "threaded" is what the tests labelled threads run.
add_custom_target(product)
add_custom_target(threaded)
add_custom_target(fuzzers)

# leat_add_fuzzer(NAME SOURCES ... LIBS ... INCLUDES ...): one libFuzzer program, with -DLEAT_FUZZ=ON.
function(leat_add_fuzzer name)
  if(NOT LEAT_FUZZ)
    return()
  endif()
  cmake_parse_arguments(F "" "" "SOURCES;LIBS;INCLUDES" ${ARGN})
  add_executable(fuzz_${name} ${F_SOURCES})
  target_include_directories(fuzz_${name} PRIVATE "${PROJECT_SOURCE_DIR}/core/include" "${PROJECT_SOURCE_DIR}/core" ${F_INCLUDES})
  target_link_libraries(fuzz_${name} PRIVATE leat_flags Threads::Threads ${F_LIBS})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
  add_dependencies(fuzzers fuzz_${name})
endfunction()
