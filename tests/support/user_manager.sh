#!/usr/bin/env bash
# A real `systemd --user` where PID 1 is not systemd: it lives in a mount and pid namespace, and ends with its command.
#
#     user_manager.sh FOLDER UID PATH... -- COMMAND...
#
# FOLDER is new and on disk. UID runs the manager and the command; 0 is root's own manager. Each PATH is made readable
# for UID where a private folder above it (a checkout in /root) would be in the way. Needs root; leaves nothing behind.
set -euo pipefail
if [ "${1:-}" != inside ]; then
  group=um-$(basename "$1")-$$
  unshare --mount --pid --fork --kill-child --mount-proc --propagation private bash "$0" inside "$group" "$@" && code=0 || code=$?
  find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2>/dev/null || true
  exit $code
fi
group=$2 folder=$3 uid=$4
shift 4
user=$(id -un "$uid" 2>/dev/null || echo meshtest)
readable() { setpriv --reuid="$uid" --regid="$uid" --clear-groups test -r "$1"; }
while [ "$1" != -- ]; do
  if ! readable "$1"; then
    above=$1
    until readable "$(dirname "$above")"; do above=$(dirname "$above"); done
    aside=$(mktemp -d "$folder/aside.XXXXXX")
    mount --rbind "$1" "$aside"
    readable "$above" || mount -t tmpfs -o mode=755 tmpfs "$above"
    mkdir -p "$1"
    mount --rbind "$aside" "$1"
  fi
  shift
done
shift
home=/home/$user
{ grep -v "^$user:" /etc/passwd; echo "$user:x:$uid:$uid::$home:/bin/bash"; } >"$folder/passwd"
{ grep -v "^$user:" /etc/group; echo "$user:x:$uid:"; } >"$folder/group"
mount --bind "$folder/passwd" /etc/passwd
mount --bind "$folder/group" /etc/group
for one in /run /home /var/log; do mount -t tmpfs tmpfs "$one"; done
mkdir "$folder/lib"
mount --bind "$folder/lib" /var/lib/systemd
# what PID 1 makes: the sign that systemd runs, and where a unit's own mounts are put together
mkdir -p /run/systemd/system /run/systemd/unit-root /run/systemd/mount-rootfs /run/user /var/log/journal
install -d -m 0700 -o "$uid" -g "$uid" "/run/user/$uid" "$home"
[ -s /etc/machine-id ] || { head -c16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/machine-id"; touch /etc/machine-id; mount --bind "$folder/machine-id" /etc/machine-id; }
mount -t cgroup2 none /sys/fs/cgroup
manager=/sys/fs/cgroup/$group/user.slice/user-$uid.slice/user@$uid.service # journald reads the unit's name from this shape
mkdir -p "$manager"
echo $$ >"/sys/fs/cgroup/$group/cgroup.procs"
chown -R "$uid:$uid" "$manager"
/lib/systemd/systemd-journald >/dev/null 2>&1 &
for _ in $(seq 100); do [ -S /run/systemd/journal/stdout ] && break; sleep .02; done
journalctl --flush
as_user() {
  setpriv --reuid="$uid" --regid="$uid" --init-groups --inh-caps=-all env -i PATH=/usr/bin:/bin:/usr/sbin HOME="$home" USER="$user" \
    LANG=C.UTF-8 XDG_RUNTIME_DIR="/run/user/$uid" "$@"
}
# it joins its group first, which so becomes the manager's own tree
(echo $BASHPID >"$manager/cgroup.procs" && as_user /lib/systemd/systemd --user) >"$folder/manager.log" 2>&1 &
for _ in $(seq 500); do [ -S "/run/user/$uid/systemd/private" ] && break; sleep .02; done
cd "$home"
as_user "$@" </dev/null
