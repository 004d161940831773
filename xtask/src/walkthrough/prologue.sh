# The shell of a walkthrough reads this before its first command. It keeps the
# process groups of the background commands, and ends them when it ends itself:
# at the end of its input, which it also meets where xtask is interrupted.
walkthrough_status=0
walkthrough_groups=()
walkthrough_any_alive() {
    local group
    for group in "${walkthrough_groups[@]}"; do
        kill -0 -- "-$group" 2>/dev/null && return 0
    done
    return 1
}
walkthrough_signal() {
    local group
    for group in "${walkthrough_groups[@]}"; do
        kill "-$1" -- "-$group" 2>/dev/null
    done
}
walkthrough_stop() {
    walkthrough_signal TERM
    for _ in {1..100}; do
        walkthrough_any_alive || return
        sleep 0.1
    done
    walkthrough_signal KILL
}
trap walkthrough_stop EXIT
