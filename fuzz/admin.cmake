# SPDX-License-Identifier: Apache-2.0
# fuzz_admin DIR fuzz/corpus/admin -dict=fuzz/admin/admin.dict
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
leat_add_fuzzer(admin SOURCES "${CMAKE_CURRENT_LIST_DIR}/admin/requests.c" LIBS leat_core PkgConfig::MICROHTTPD)
