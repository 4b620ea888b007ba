# SPDX-License-Identifier: Apache-2.0
# Configuration, option tables and the plugin loader.
set(dir "${CMAKE_CURRENT_SOURCE_DIR}/config")
set(variants "")

# One source, compiled with one thing wrong: build/<preset>/tests/config_plugins/NAME.so
function(leat_plugin_variant name)
  add_library(config_plugin_${name} MODULE "${CMAKE_CURRENT_SOURCE_DIR}/config/plugin_variant.c")
  target_include_directories(config_plugin_${name} PRIVATE "${PROJECT_SOURCE_DIR}/core/include")
  target_compile_definitions(config_plugin_${name} PRIVATE ${ARGN})
  target_link_libraries(config_plugin_${name} PRIVATE leat_flags)
  set_target_properties(config_plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME "${name}"
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/config_plugins")
  list(APPEND variants config_plugin_${name})
  set(variants "${variants}" PARENT_SCOPE)
endfunction()

leat_plugin_variant(good)
leat_plugin_variant(no_note NO_NOTE NAME="no_note")
leat_plugin_variant(source SOURCE NAME="source")
leat_plugin_variant(routed ROUTE_REQUIRED NAME="routed")
leat_plugin_variant(unrouted RULES=NULL NAME="unrouted")
leat_plugin_variant(raw CAPS=LEAT_SINK_RAW_ROWS NAME="raw")
leat_plugin_variant(alone "DIRECTORY_FLAGS=LEAT_OPT_ALONE|LEAT_OPT_PATH" NAME="alone")
leat_plugin_variant(fenced DIRECTORY_FLAGS=LEAT_OPT_ALONE SERVERS_FLAGS=LEAT_OPT_ALONE NAME="fenced")
leat_plugin_variant(alone_source SOURCE DIRECTORY_FLAGS=LEAT_OPT_ALONE NAME="alone_source")
leat_plugin_variant(bad_magic MAGIC=0x12345678)
leat_plugin_variant(note_major NOTE_MAJOR=2 NOTE_NEEDED=0)
leat_plugin_variant(note_needed NOTE_MAJOR=1 NOTE_NEEDED=9)
leat_plugin_variant(bad_major MAJOR=2)
leat_plugin_variant(bad_needed NEEDED=9)
leat_plugin_variant(small SIZE=16)
leat_plugin_variant(small_ops OPS_SIZE=24)
leat_plugin_variant(no_submit SUBMIT=NULL)
leat_plugin_variant(no_version VERSION=NULL)
leat_plugin_variant(no_symbol NO_SYMBOL)
leat_plugin_variant(bad_stride STRIDE=8)
leat_plugin_variant(bad_place CONFIG_SIZE=16)
leat_plugin_variant(core_name COUNT_NAME="format")
leat_plugin_variant(bad_default DEFAULT_COUNT="700")
leat_plugin_variant(number_alone COUNT_FLAGS=LEAT_OPT_ALONE)
leat_plugin_variant(number_path COUNT_FLAGS=LEAT_OPT_PATH)

foreach(name tree options config alone path plugins)
  leat_add_test(config_${name} SOURCES config/test_${name}.c config/support.c
    LIBS leat_config leat_encode INCLUDES "${dir}")
  target_compile_definitions(test_config_${name} PRIVATE
    TEST_PLUGINS="${PROJECT_BINARY_DIR}/tests/config_plugins")
  add_dependencies(test_config_${name} ${variants})
endforeach()

# The sample in the root is what the tables print, and it is a configuration.  It has every plugin's
# options, so a build without one cannot tell.
if(TARGET leat AND TARGET plugin_pgoutput AND TARGET plugin_file AND TARGET plugin_nats
   AND TARGET plugin_kafka)
  add_test(NAME config_sample COMMAND "${CMAKE_COMMAND}" -DTOOL=$<TARGET_FILE:leat>
    -DSAMPLE=${PROJECT_SOURCE_DIR}/config.yaml -P "${dir}/sample.cmake")
endif()

# Compiled with a folder of its own for /etc/leat.
leat_add_test(config_places SOURCES config/test_places.c)
