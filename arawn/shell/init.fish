# Keys of arawn for fish 3.1 and later; printed by: arawn shell-init fish
# Before a key is pressed nothing of a line leaves this shell.
if status is-interactive

    # With a handler Ctrl-C ends arawn alone; without one it would end the function that calls it too.
    function _arawn_guard
        function _arawn_stopped --on-signal INT
        end
    end

    # Ask arawn; what it says is in _arawn_said, its exit code is returned. Ctrl-C stops it and nothing else.
    function _arawn_call
        set -g _arawn_said
        if not command -q arawn
            set -g _arawn_said 'arawn is not found; your line is as it was'
            return 127
        end
        _arawn_guard
        printf '\r\e[Karawn is asking; Ctrl-C stops it' >/dev/tty
        set -lx _ARAWN_COMMAND "$_arawn_last"
        set -lx _ARAWN_STATUS "$_arawn_status"
        set -g _arawn_said (command arawn $argv --widget --shell fish 2>/dev/null </dev/null)
        set -l code $status
        functions -e _arawn_stopped
        printf '\r\e[K' >/dev/tty
        if test $code = 130
            set -g _arawn_said 'stopped; your line is as it was'
        else if test $code != 0 -a -z "$_arawn_said"
            set -g _arawn_said "arawn ended with exit code $code; your line is as it was"
        end
        return $code
    end

    function _arawn_suggest
        set -l line (commandline -b | string collect)
        set -l asked fix
        if string match -qr '\S' -- "$line"
            set asked cmd "--line=$line"
        end
        if _arawn_call $asked
            commandline -r -- (string join \n -- $_arawn_said | string collect)
        else
            printf '%s\n' $_arawn_said
        end
        commandline -f repaint
    end

    function _arawn_explain
        set -l line (commandline -b | string collect)
        if string match -qr '\S' -- "$line"
            echo
            _arawn_guard
            command arawn cmd --explain --shell fish "--line=$line" </dev/null
            functions -e _arawn_stopped
            commandline -f repaint
        end
    end

    function arawn
        if test "$argv[1]" != fix; or string match -q -- '-*' "$argv[2]"; or not isatty stdout
            if test "$argv[1]" = fix
                set -lx _ARAWN_COMMAND "$_arawn_last"
                set -lx _ARAWN_STATUS "$_arawn_status"
                command arawn $argv
            else
                command arawn $argv
            end
            return
        end
        if _arawn_call $argv
            commandline -r -- (string join \n -- $_arawn_said | string collect)
        else
            set -l code $status
            printf '%s\n' $_arawn_said >&2
            return $code
        end
    end

    # A line that is kept out of the history is kept from arawn too.
    function _arawn_after --on-event fish_postexec
        set -l code $status
        if string match -q 'arawn fix*' -- "$argv[1]"
            return
        end
        set -g _arawn_status $code
        set -g _arawn_last "$argv[1]"
        if string match -q ' *' -- "$argv[1]"
            set -g _arawn_last ''
        end
    end

    for mode in default insert
        bind -M $mode @KEY@ _arawn_suggest
        bind -M $mode @EXPLAIN@ _arawn_explain
    end
end
