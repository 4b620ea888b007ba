# SPDX-License-Identifier: Apache-2.0
# Configuration and the plugin loader: a library of objects, so that their tests and fuzzers need
# nothing else but the route templates.
add_library(leat_config OBJECT
  region.c problems.c suggest.c usage.c file_text.c tree.c tree_load.c tree_fault.c
  units.c expand.c option_value.c option_table.c option_set.c options.c
  trust.c elfnote.c plugin.c plugin_load.c plugin_places.c plugin_description.c plugins.c
  config_tables.c config_log.c config.c config_places.c config_peek.c config_pipeline.c config_alone.c path.c config_plugin.c config_routes.c
  print_options.c print_mdoc.c print_sample.c print_schema.c cmd_plugins.c)
target_include_directories(leat_config PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}/include")
target_compile_definitions(leat_config PRIVATE
  LEAT_CONFIG_FOLDER="${CMAKE_INSTALL_FULL_SYSCONFDIR}/leat"
  LEAT_PLUGIN_DESCRIPTIONS="${CMAKE_INSTALL_FULL_SYSCONFDIR}/leat/plugins.d"
  LEAT_PLUGIN_LIBRARIES="${CMAKE_INSTALL_FULL_LIBDIR}/leat/plugins-1")
target_link_libraries(leat_config PUBLIC leat_flags PkgConfig::YAML ${CMAKE_DL_LIBS})
target_sources(leat_core PRIVATE $<TARGET_OBJECTS:leat_config>)
