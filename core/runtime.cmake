# SPDX-License-Identifier: Apache-2.0
# The data path.
target_sources(leat_core PRIVATE
  pool.c memfd.c batch.c clock.c doorbell.c window.c journal.c source_loop.c source_host.c source_figures.c
  worker.c worker_setup.c worker_state.c worker_instance.c worker_encode.c worker_record.c worker_held.c worker_reject.c worker_results.c
  worker_change.c guard.c pipeline.c pipeline_source.c pipeline_sink.c pipeline_overdue.c control.c control_pipelines.c control_signals.c control_configs.c orders.c
  reload.c reload_plan.c reload_settle.c reload_overdue.c reload_switch.c config_compare.c state.c
  state_read.c log.c log_line.c log_level.c log_metrics.c stage.c dead_letter.c tally.c plugin_metrics.c command.c host_services.c
  isolate.c isolate_try.c isolate_process.c isolate_spawn.c isolate_results.c isolate_messages.c isolate_voice.c isolate_watch.c isolate_wire.c isolate_options.c
  isolate_helper.c isolate_drive.c isolate_host.c)

# What a sink in a process of its own would cost (docs/adr/0401); built only when asked for: ninja isolation_bench
add_executable(isolation_bench EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/bench/isolation.c")
target_link_libraries(isolation_bench PRIVATE leat_core)
