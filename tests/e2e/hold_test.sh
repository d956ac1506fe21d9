#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Boot hold with a real libvirtd and our hook, both in a mount namespace of their own: what a person with virsh, and
# libvirt's autostart, can start of the VMs that the agent's journal knows. And what only qemu:///system has: limits of CPU.
set -euo pipefail

if [ "${1-}" != inside ]; then
	for need in libvirtd virsh sqlite3 unshare; do
		command -v "$need" >/dev/null || { echo "1..0 # SKIP needs $need"; exit 0; }
	done
	[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP needs root"; exit 0; }
	# a process namespace, too: when this ends, daemon and guests end
	exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private bash "$0" inside
fi

uuid=00000000-0000-4000-8000-000000000001
home=/run/agent
journal=$home/journal.db
boot=$(cat /proc/sys/kernel/random/boot_id)
count=0

ok() {
	count=$((count + 1))
	echo "ok $count - $1"
}
fail() {
	echo "not ok $((count + 1)) - $1"
	cat /run/out /run/libvirtd.log
	exit 1
}

virsh() {
	command virsh -q -c qemu:///system "$@"
}

starts() {
	virsh start "$1" >/run/out 2>&1
}
off() {
	virsh destroy "$1" >/dev/null
}
# The agent's row: role, until when it may start (milliseconds from now) and of which boot.
row() {
	local now
	now=$(awk '{ printf "%d", $1 * 1000 }' /proc/uptime)
	sqlite3 "$journal" "INSERT OR REPLACE INTO j_vm(vm_id, uuid, epoch, role, policy, hold, wanted, lease_seconds,
		host_boot, permit_ms, peer_start, fast_start, breakglass)
		VALUES ('vm_a', '$uuid', 1, '$1', 'attest', 0, 0, 30, '$3', $((now + $2)), 0, 0, 0)"
}

start_daemon() {
	rm -f /run/libvirt/libvirt-sock
	libvirtd >>/run/libvirtd.log 2>&1 &
	daemon=$!
	for _ in $(seq 600); do
		virsh list >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "libvirtd answers"
}

for folder in /etc/libvirt /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
	mkdir -p "$folder"
	mount -t tmpfs none "$folder"
done
mkdir -p /etc/libvirt/hooks /run/libvirt "$home"
printf '%s = "root"\n' user group >/etc/libvirt/qemu.conf
# where this machine lets us have groups of processes at all, limits are looked at in them, too
groups=
for tree in /sys/fs/cgroup/cpu /sys/fs/cgroup/cpu,cpuacct; do
	[ -n "$groups" ] || ! mkdir "$tree/ud-hold-$$" 2>/dev/null || {
		[ ! -e "$tree/ud-hold-$$/cpu.shares" ] || groups=$tree
		rmdir "$tree/ud-hold-$$"
	}
done
controllers=
if [ -n "$groups" ]; then
	controllers='"cpu"'
	umount -l /sys/fs/cgroup/unified 2>/dev/null || true # libvirt 9 asks it for controllers that are in the first hierarchy
fi
cat >>/etc/libvirt/qemu.conf <<-END
	security_driver = "none"
	cgroup_controllers = [$controllers]
	namespaces = []
	stdio_handler = "file"
	remember_owner = 0
END
echo 'auth_unix_rw = "none"' >/etc/libvirt/libvirtd.conf
sed -e "s|^agent=.*|agent=$UD_BINARY_DIR/understudy-agent|" -e "s|^config=.*|config=$home/agent.conf|" \
	"$UD_SOURCE_DIR/deploy/libvirt/qemu" >/etc/libvirt/hooks/qemu
chmod 755 /etc/libvirt/hooks/qemu
start_daemon
for name in ours theirs; do
	sed -e "s/NAME/$name/" -e "s/UUID/${uuid%1}$([ $name = ours ] && echo 1 || echo 2)/" >/run/$name.xml <<-END
		<domain type='qemu'><name>NAME</name><uuid>UUID</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
		<os><type arch='x86_64' machine='pc'>hvm</type></os>
		<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>
	END
	virsh define /run/$name.xml >/dev/null
done

echo 1..10
starts ours || fail "without an agent the hook stands in nobody's way"
off ours
ok "without an agent the hook stands in nobody's way"

printf '[agent]\nid=agt_a\nhost=hst_a\n' >"$home/agent.conf"
starts ours || fail "an empty journal holds nothing" # and it has its tables now
off ours
ok "an empty journal holds nothing"

row primary -1 "$boot"
starts ours && fail "a primary without leave does not start"
grep -q 'Understudy holds vm_a' /run/out || fail "the reason is told"
ok "a primary without leave does not start, and virsh says why"

starts theirs || fail "another VM does"
off theirs
ok "another VM does"

row primary 60000 "$boot"
starts ours || fail "with leave it starts"
off ours
ok "with leave it starts"

row primary 60000 11111111-2222-4333-8444-555555555555
starts ours && fail "the leave of another boot is none"
row replica 60000 "$boot"
starts ours && fail "nor is one at a replica"
ok "the leave of another boot is none, nor is one at a replica"

virsh autostart ours >/dev/null
virsh autostart theirs >/dev/null
kill "$daemon"
wait "$daemon" || true
# libvirt starts them once for each boot, which it knows by this file
rm -f /run/libvirt/qemu/autostarted
start_daemon
for _ in $(seq 600); do
	[ "$(virsh domstate theirs)" = running ] && break
	sleep 0.1
done
[ "$(virsh domstate theirs)" = running ] || fail "autostart starts what is not ours"
[ "$(virsh domstate ours)" = "shut off" ] || fail "and does not start what is held"
off theirs
ok "autostart starts what is not ours, and not what is held"

limits() {
	"$UD_BINARY_DIR/limit-vm" qemu:///system "${uuid%1}2" "$@" 2>/run/out || fail "limits are taken: $*"
}
# of libvirt's definition: quota in us of 100,000, and shares
tuned() {
	virsh dumpxml "$@" theirs | sed -nE 's,.*<(global_quota|shares)>(.*)</.*,\1 \2,p' | sort | tr '\n' ' '
}
[ "$(limits 150 50)" = "150 50" ] || fail "percent and weight come back as they were set"
[ "$(tuned --inactive)" = "global_quota 150000 shares 50 " ] || fail "they stand in the definition: $(tuned --inactive)"
[ "$(limits 0 0 | cut -d' ' -f1)" = 0 ] || fail "no limit is none"
ok "limits of CPU stand in the definition, and are taken off again"

if [ -n "$groups" ]; then
	starts theirs || fail "it starts"
	limits 50 200 >/dev/null
	[ "$(tuned)" = "global_quota 50000 shares 200 " ] || fail "the running VM has them: $(tuned)"
	found=$(find "$groups" -path '*theirs*' -name cpu.cfs_quota_us -exec cat {} + | sort -n | tail -n 1)
	[ "$found" = 50000 ] || fail "the kernel has the quota: $found"
	off theirs
	ok "of a VM that runs they hold at once: the kernel has them"
else
	ok "of a VM that runs they hold at once # SKIP this machine lets nobody have groups of processes"
fi

echo nonsense >"$journal"
rm -f "$journal"-*
starts ours && fail "a journal that cannot be read lets nothing start"
ok "a journal that cannot be read lets nothing start"
kill "$daemon"
