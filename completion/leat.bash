# SPDX-License-Identifier: Apache-2.0
# Bash completion of leat.  Commands and options are taken from the help texts, so they cannot drift.
# shellcheck shell=bash

_leat_words() { # help | COMMAND: its commands, or its options
  if [[ $1 == help ]]; then
    leat --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p'
  else
    leat "$1" --help 2>/dev/null | grep -oE -e '--[a-z][a-z-]*|(^|[^-a-z])-[a-z]\b' | sed 's/^[^-]//' | sort -u
    echo --help
  fi
}

_leat() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$(_leat_words help)" -- "$cur")
    return
  fi
  case $prev in
    -c|--config) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -X '!*.yaml' -- "$cur"; compgen -d -- "$cur"); return ;;
    --plugins) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
  esac
  case $command:$cur in
    *:-*) mapfile -t COMPREPLY < <(compgen -W "$(_leat_words "$command")" -- "$cur") ;;
    slot:*) ((COMP_CWORD > 2)) || mapfile -t COMPREPLY < <(compgen -W 'create drop show' -- "$cur") ;;
    plugins:*) mapfile -t COMPREPLY < <(compgen -W "$(leat plugins 2>/dev/null | awk '/^[a-z]/ {print $1}')" -- "$cur") ;;
  esac
}

complete -F _leat leat
