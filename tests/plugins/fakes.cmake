# SPDX-License-Identifier: Apache-2.0
# A source and a sink that behave as a test tells them, and the tests of the whole daemon with them.
foreach(fake fake_source fake_sink)
  add_library(${fake} MODULE fakes/${fake}.c)
  target_include_directories(${fake} PRIVATE "${PROJECT_SOURCE_DIR}/core/include")
  target_link_libraries(${fake} PRIVATE leat_flags Threads::Threads)
  set_target_properties(${fake} PROPERTIES PREFIX ""
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/plugins")
  configure_file(fakes/${fake}.yaml "${PROJECT_BINARY_DIR}/tests/plugins.d/${fake}.yaml" COPYONLY)
endforeach()
add_dependencies(threaded leat fake_source fake_sink)
foreach(case ok slow fail down down_at_rest out_of_order twice late never reject dead_letter refuse refuse_create refuse_place check check_source
        large_record
        two_sinks slow_and_fast two_pipelines restart small_memory hold forget lost foreign
        stop_in_hold second_signal
        isolated_ok isolated_slow isolated_fail isolated_down isolated_down_at_rest isolated_out_of_order isolated_twice
        isolated_reject isolated_dead_letter isolated_refuse isolated_refuse_place isolated_large_record isolated_two_sinks
        isolated_slow_and_fast isolated_restart isolated_small_memory isolated_hold isolated_lost
        isolated_two_pipelines isolated_never isolated_late isolated_hang isolated_locked
        isolated_crash isolated_exit isolated_scribble isolated_write isolated_block isolated_orphan isolated_shape
        isolated_die_in_create)
  add_test(NAME pipeline_${case} COMMAND /usr/bin/python3 "${CMAKE_CURRENT_SOURCE_DIR}/fakes/run.py"
    "$<TARGET_FILE:leat>" "${PROJECT_BINARY_DIR}/tests/plugins.d" ${case})
  set_tests_properties(pipeline_${case} PROPERTIES LABELS threads TIMEOUT 120)
endforeach()
# The same while it is changed: commands, reloads, signals.
foreach(case pause pause_sink drain drop gap guard reload_same reload_sinks reload_sinks_unknowing
        reload_sinks_out_of_order reload_back_off reload_lists reload_lists_unknowing reload_remove_down
        reload_source reload_source_while_down reload_pipelines reload_bad reload_place reload_storm signals failed
        reload_and_stop reload_and_end block block_second_signal block_reload systemd
        isolated_pause isolated_pause_sink isolated_drain isolated_drop isolated_reload_sinks isolated_reload_lists
        isolated_reload_bad isolated_reload_place)
  add_test(NAME change_${case} COMMAND /usr/bin/python3 "${CMAKE_CURRENT_SOURCE_DIR}/fakes/change.py"
    "$<TARGET_FILE:leat>" "${PROJECT_BINARY_DIR}/tests/plugins.d" ${case})
  set_tests_properties(change_${case} PROPERTIES LABELS threads TIMEOUT 240)
endforeach()
set_tests_properties(change_reload_storm change_reload_back_off change_reload_source_while_down change_systemd
  PROPERTIES COST 20) # the longest begin first
