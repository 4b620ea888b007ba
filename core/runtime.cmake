# SPDX-License-Identifier: Apache-2.0
# The data path and the commands.
target_sources(leat_core PRIVATE
  pool.c batch.c clock.c doorbell.c window.c journal.c source_loop.c worker.c worker_encode.c worker_results.c
  worker_change.c guard.c pipeline.c control.c orders.c reload.c config_compare.c state.c log.c log_level.c log_metrics.c
  stage.c dead_letter.c tally.c plugin_metrics.c host_services.c
  commands.c cmd_run.c cmd_check.c check.c finding.c cmd_doctor.c doctor.c cmd_version.c cmd_tail.c tail_output.c)
target_compile_definitions(leat_core PRIVATE LEAT_CONFIG_FOLDER="${CMAKE_INSTALL_FULL_SYSCONFDIR}/leat")
