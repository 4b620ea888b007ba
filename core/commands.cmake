# SPDX-License-Identifier: Apache-2.0
# What a user types.
target_sources(leat_core PRIVATE
  command_table.c commands.c cmd_run.c cmd_version.c cmd_complete.c
  cmd_check.c check.c check_plugin.c check_child.c finding.c cmd_doctor.c doctor.c doctor_pipeline.c
  cmd_status.c cmd_control.c control_request.c http_client.c admin_client.c
  cmd_tail.c tail_request.c tail_output.c tail_waiting.c)
target_compile_definitions(leat_core PRIVATE LEAT_CONFIG_FOLDER="${CMAKE_INSTALL_FULL_SYSCONFDIR}/leat")
