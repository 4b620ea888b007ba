# SPDX-License-Identifier: Apache-2.0
# fuzz_decode DIR fuzz/corpus/decode, and so on
leat_add_fuzzer(decode SOURCES ${CMAKE_CURRENT_LIST_DIR}/decode_stream.c LIBS pgoutput_decoder fake_source_host)
foreach(part array composite json)
  leat_add_fuzzer(decode_${part} SOURCES ${CMAKE_CURRENT_LIST_DIR}/decode_${part}.c LIBS pgoutput_decoder)
endforeach()
