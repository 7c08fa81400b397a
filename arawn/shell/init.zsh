# Keys of arawn for zsh; printed by: arawn shell-init zsh
# Before a key is pressed nothing of a line leaves this shell.
if [[ -o interactive ]]; then

typeset -g _arawn_last='' _arawn_status='' _arawn_ran='' _arawn_said=''

# Ask arawn; what it says is in _arawn_said, its exit code is returned. Ctrl-C stops it and nothing else.
_arawn_call() {
  emulate -L zsh
  setopt local_traps
  local code
  trap : INT
  _arawn_said=$(_ARAWN_COMMAND=$_arawn_last _ARAWN_STATUS=$_arawn_status command arawn "$@" --widget --shell zsh 2>/dev/null </dev/null)
  code=$?
  case $code in
    0) ;;
    127) _arawn_said='arawn is not found; your line is as it was' ;;
    130) _arawn_said='stopped; your line is as it was' ;;
    *) [[ -n $_arawn_said ]] || _arawn_said="arawn ended with exit code $code; your line is as it was" ;;
  esac
  return $code
}

_arawn_suggest() {
  emulate -L zsh
  local -a asked
  if [[ -n ${BUFFER//[[:space:]]/} ]]; then asked=(cmd "--line=$BUFFER"); else asked=(fix); fi
  zle -M ''
  zle -R 'arawn is asking; Ctrl-C stops it'
  if _arawn_call $asked; then
    BUFFER=$_arawn_said
    CURSOR=$#BUFFER
    zle -R ''
  else
    zle -M -- "$_arawn_said"
  fi
}

_arawn_explain() {
  emulate -L zsh
  setopt local_traps
  [[ -n ${BUFFER//[[:space:]]/} ]] || return 0
  trap : INT
  zle -I
  command arawn cmd --explain --shell zsh "--line=$BUFFER" </dev/null
  return 0
}

function arawn {
  if [[ ${1-} != fix || ${2-} == -* || ! -t 1 ]]; then
    [[ ${1-} == fix ]] && local -x _ARAWN_COMMAND=$_arawn_last _ARAWN_STATUS=$_arawn_status
    command arawn "$@"
    return
  fi
  local code
  [[ -t 2 ]] && print -nu2 -- 'arawn is asking; Ctrl-C stops it'
  _arawn_call "$@"
  code=$?
  [[ -t 2 ]] && print -nu2 -- '\r\e[K'
  if ((code == 0)); then print -rz -- "$_arawn_said"; else print -ru2 -- "$_arawn_said"; fi
  return $code
}

# A line that is kept out of the history is kept from arawn too.
_arawn_preexec() {
  [[ $1 == 'arawn fix'* ]] && return
  _arawn_ran=${1:-${3-}}
  [[ -o hist_ignore_space && $_arawn_ran == ' '* ]] && _arawn_ran=' '
  return 0
}

_arawn_precmd() {
  local code=$?
  if [[ -n $_arawn_ran ]]; then
    _arawn_last=${_arawn_ran# } _arawn_status=$code _arawn_ran=
  fi
  return 0
}

autoload -Uz add-zsh-hook
add-zsh-hook preexec _arawn_preexec
typeset -ga precmd_functions
precmd_functions=(_arawn_precmd ${precmd_functions:#_arawn_precmd})

zle -N _arawn_suggest
zle -N _arawn_explain
for _arawn_map in emacs viins; do
  bindkey -M $_arawn_map '@KEY@' _arawn_suggest
  bindkey -M $_arawn_map '@EXPLAIN@' _arawn_explain
done
unset _arawn_map

fi
