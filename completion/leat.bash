# SPDX-License-Identifier: Apache-2.0
# Bash completion of leat.  The program itself says what may come next, so nothing here can drift.
# shellcheck shell=bash

_leat() {
  local word text cur
  local -a words=()
  COMPREPLY=()
  # --name=value comes in three pieces, since = divides words here.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if ((${#words[@]})) && [[ $word == = || ${words[-1]} == --*= ]]; then
      words[-1]+=$word
    else
      word=${word//[\"\'\\]/}
      words+=("${word/#\~\//$HOME/}")
    fi
  done
  cur=${words[-1]}
  [[ $cur == --*=* ]] && cur=${cur#*=}
  while IFS=$'\t' read -r word text; do
    case $word in
      :yaml) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -X '!*.y*ml' -- "$cur"; compgen -d -- "$cur") ;;
      :files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
      :folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
      "$cur"*) COMPREPLY+=("$word") ;;
    esac
  done < <("${COMP_WORDS[0]/#\~\//$HOME/}" __complete "${words[@]}" 2>/dev/null)
}

complete -F _leat leat
