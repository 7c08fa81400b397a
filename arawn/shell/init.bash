# Keys of arawn for bash 4 and later; printed by: arawn shell-init bash
# Before a key is pressed nothing of a line leaves this shell.
if [[ $- == *i* ]] && ((BASH_VERSINFO[0] < 4)); then
  echo 'The keys of arawn need bash 4 or later.' >&2
elif [[ $- == *i* ]]; then

_arawn_last='' _arawn_code='' _arawn_status='' _arawn_next='' _arawn_said='' _arawn_fixing=''

# Run arawn; Ctrl-C stops it and nothing else. _arawn_last and _arawn_code are told to it alone.
_arawn_run() {
  local code old
  old=$(trap -p INT)
  trap : INT
  _ARAWN_COMMAND=$_arawn_last _ARAWN_STATUS=$_arawn_code command arawn "$@"
  code=$?
  trap - INT
  eval "$old"
  return "$code"
}

# Ask arawn; what it says is in _arawn_said, its exit code is returned.
_arawn_call() {
  local code old
  old=$(trap -p INT)
  trap : INT
  printf '\r\e[Karawn is asking; Ctrl-C stops it' 2>/dev/null >/dev/tty
  _arawn_said=$(_arawn_run "$@" --widget --shell bash 2>/dev/null </dev/null)
  code=$?
  printf '\r\e[K' 2>/dev/null >/dev/tty
  trap - INT
  eval "$old"
  case $code in
    0) ;;
    127) _arawn_said='arawn is not found; your line is as it was' ;;
    130) _arawn_said='stopped; your line is as it was' ;;
    *) [[ -n $_arawn_said ]] || _arawn_said="arawn ended with exit code $code; your line is as it was" ;;
  esac
  ((code == 0)) || printf '%s\n' "$_arawn_said"
  return "$code"
}

_arawn_put() {
  READLINE_LINE=$1
  READLINE_POINT=${#READLINE_LINE}
}

# The last command of the history that is not "arawn fix" itself.
_arawn_recall() {
  local line skipped=
  _arawn_last=
  _arawn_code=$_arawn_status
  while IFS= read -r line; do
    if [[ $line =~ ^\ *[0-9]+[*\ ]\ (.*)$ ]]; then
      line=${BASH_REMATCH[1]}
      [[ $line == 'arawn fix'* ]] && skipped=1 && continue
      _arawn_last=$line skipped=
    elif [[ -z $skipped ]]; then
      _arawn_last+=$'\n'$line
    fi
  done < <(HISTTIMEFORMAT='' builtin history 3)
}

_arawn_suggest() {
  if [[ -n ${READLINE_LINE//[[:space:]]/} ]]; then
    _arawn_call cmd "--line=$READLINE_LINE" && _arawn_put "$_arawn_said"
  elif [[ -n $_arawn_next ]]; then
    _arawn_arrive
  else
    _arawn_recall
    _arawn_call fix && _arawn_put "$_arawn_said"
  fi
}

_arawn_explain() {
  if [[ -n ${READLINE_LINE//[[:space:]]/} ]]; then
    printf '%s\n' "$READLINE_LINE"
    _arawn_run cmd --explain --shell bash "--line=$READLINE_LINE" </dev/null || true
  fi
}

# After a typed "arawn fix": the terminal is asked for its state, and its answer is a key that fills the line.
_arawn_arrive() {
  if [[ -z $READLINE_LINE && -n $_arawn_next ]]; then
    _arawn_put "$_arawn_next"
    _arawn_next=
  fi
}

function arawn {
  if [[ ${1-} != fix ]]; then
    command arawn "$@"
    return
  fi
  _arawn_fixing=1
  _arawn_recall
  if [[ ${2-} == -* || ! -t 1 ]]; then
    _ARAWN_COMMAND=$_arawn_last _ARAWN_STATUS=$_arawn_code command arawn "$@"
    return
  fi
  _arawn_call "$@" || return
  _arawn_next=$_arawn_said
  ( (sleep 0.1; printf '\e[5n' >/dev/tty) & ) 2>/dev/null
}

# How the last command ended; "arawn fix" is none, so that it may be asked again.
_arawn_before() {
  local code=$?
  [[ -n $_arawn_fixing ]] || _arawn_status=$code
  _arawn_fixing=
  return "$code"
}
[[ ${PROMPT_COMMAND[*]} == *_arawn_before* ]] || PROMPT_COMMAND="_arawn_before${PROMPT_COMMAND:+
$PROMPT_COMMAND}"

for _arawn_map in emacs-standard vi-insert; do
  bind -m "$_arawn_map" -x '"@KEY@": _arawn_suggest'
  bind -m "$_arawn_map" -x '"@EXPLAIN@": _arawn_explain'
  bind -m "$_arawn_map" -x '"\e[0n": _arawn_arrive'
done
unset _arawn_map

fi
