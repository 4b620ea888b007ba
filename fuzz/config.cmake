# SPDX-License-Identifier: Apache-2.0
# fuzz_config -dict=fuzz/config/config.dict DIR fuzz/corpus/config
leat_add_fuzzer(config SOURCES config/fuzz_config.c LIBS leat_config leat_encode)
leat_add_fuzzer(elfnote SOURCES config/fuzz_elfnote.c LIBS leat_config leat_encode)
