#!/bin/sh
# Runs as PID 1 of fresh mount, pid, ipc, uts and cgroup namespaces: makes an overlay of the machine's own file system on
# a tmpfs, moves into it and becomes systemd. Nothing outside of the overlay is written; the network stays the host's.
#   systemd_box.sh SCRATCH-DIRECTORY UNITS-DIRECTORY [SOURCE:TARGET...]
# SCRATCH is empty; each TARGET is a directory bind-mounted read-only from SOURCE.
set -eu

scratch=$1
units=$2
shift 2
mount -t tmpfs -o mode=755 box "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" box "$scratch/root"
cd "$scratch/root"

mkdir -p proc sys dev run tmp
mount -t proc proc proc
# PID 1 raises sysctls (fs.file-max, net.unix.max_dgram_qlen), and those are the host's.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --rbind /sys sys
umount -l sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup

mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do
    : >"dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

for pair in "$@"; do
    mkdir -p "$scratch/root/${pair#*:}"
    mount --bind "${pair%%:*}" "$scratch/root/${pair#*:}"
    mount -o remount,bind,ro "$scratch/root/${pair#*:}"
done
rm -rf etc/systemd/system
cp -r "$units" etc/systemd/system # before /tmp is covered: the units may lie there
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp

# sysctls, modules and devices are not namespaced: whatever sets them stays out, and so does the machine's own work.
for unit in systemd-sysctl.service systemd-modules-load.service systemd-remount-fs.service systemd-timesyncd.service \
    systemd-udevd.service systemd-udev-trigger.service systemd-binfmt.service systemd-random-seed.service \
    systemd-journald-audit.socket systemd-pcrphase.service apt-daily.timer apt-daily-upgrade.timer; do
    ln -sf /dev/null "etc/systemd/system/$unit"
done
printf '[Journal]\nStorage=volatile\nAudit=no\n' >etc/systemd/journald.conf
cat >etc/systemd/system/box.target <<'END'
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
END
: >etc/fstab
echo 5b0c0de05b0c0de05b0c0de05b0c0de0 >etc/machine-id

mkdir old-root
pivot_root . old-root
cd /
umount -l old-root
rmdir old-root
mount --make-rshared / # else the directories of LoadCredential= stay empty

exec env -i container=wirespan-box PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=box.target --log-target=journal --show-status=no \
    systemd.unified_cgroup_hierarchy=1
