# SPDX-License-Identifier: Apache-2.0
# fuzz_isolate DIR fuzz/corpus/isolate
leat_add_fuzzer(isolate SOURCES "${CMAKE_CURRENT_LIST_DIR}/isolate/helper.c" LIBS leat_core)
leat_add_fuzzer(isolate_options SOURCES "${CMAKE_CURRENT_LIST_DIR}/isolate/options.c" LIBS leat_core)
