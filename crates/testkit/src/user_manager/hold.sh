# Holds the namespaces and the control group of a user manager, until standard input ends: thus also
# when the test that owns the other end is killed. A line on standard input means to end every process
# in them and to begin anew, as a machine does when its power was cut. Says "ready" each time.
#
# Its one argument is the folder of the manager. What others do in the namespaces they do by way of
# the process whose id is in the file `keeper` there.
set -eu
dir=$1

# A copy of another test's mount would keep it from going when that test ends.
findmnt --raw --noheadings --output TARGET | grep -E '^(/run|/tmp/tessera-[^/]*)/' | tac |
    while read -r other; do umount --lazy "$other" 2>/dev/null || true; done

# All of the hierarchy is visible here only. The manager sees its own group as the root.
mkdir "$dir/cgroup"
mount -t cgroup2 cgroup2 "$dir/cgroup"
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
group=$dir/cgroup${own%/}/${dir##*/}

end_all() {
    tries=1000
    while [ -d "$group" ]; do
        # Each time, for a command may have come in since.
        echo 1 >"$group/cgroup.kill"
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && return
        tries=$((tries - 1))
        if [ "$tries" = 0 ]; then
            left=$(find "$group" -name cgroup.procs -exec cat {} +)
            echo "processes that do not end:" $left >&2
            return 1
        fi
        sleep 0.02
    done
}

begin() {
    # As on a machine with a login, so that whoever reads a path of a group finds the unit.
    mkdir "$group" "$group/commands" "$group/user.slice" "$group/user.slice/user-0.slice" \
        "$group/user.slice/user-0.slice/user@0.service" \
        "$group/system.slice" "$group/system.slice/systemd-journald.service"
    (
        echo 0 >"$group/cgroup.procs"
        exec unshare --cgroup --mount --propagation private sh -euc "$inside" "$dir" "$group"
    ) </dev/null
    echo ready
}

inside='
    echo 0 >"$1/commands/cgroup.procs"
    umount "$0/cgroup"
    umount --recursive --lazy /sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    # Limits of units hold as far as this group has the controllers.
    for parent in . user.slice user.slice/user-0.slice; do
        for controller in $(cat "/sys/fs/cgroup/$parent/cgroup.controllers"); do
            echo "+$controller" 2>/dev/null >"/sys/fs/cgroup/$parent/cgroup.subtree_control" || true
        done
    done
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir /run/lock /run/user /run/systemd /run/systemd/system /run/systemd/journald.conf.d
    ln -s "$0/run" /run/user/0
    # Nothing of the kernel, whose messages are for the machine only.
    printf "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=\n" \
        >/run/systemd/journald.conf.d/tessera.conf
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    sleep infinity >/dev/null 2>&1 &
    echo $! >"$0/keeper"
'

trap end_all EXIT
begin
while read -r _; do
    end_all
    # What a machine has in memory.
    rm -rf "$dir/run" "$dir/podman/run" "$dir/podman/tmp"
    mkdir -m 700 "$dir/run"
    begin
done
