/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real guests for tests; see guests.h.
 */
#include "support/guests.h"

#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "base/env.h"
#include "base/file.h"
#include "base/process.h"
#include "support/context.h"

enum { RUN_MS = 180000, OUTPUT = 1 << 20 };

const char *guests_run(struct ud_ctx *cx, const char *const *argv)
{
	const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME");
	const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C",
		ud_printf(cx->arena, "HOME=%s", home ? home : "/root"),
		cache ? ud_printf(cx->arena, "XDG_CACHE_HOME=%s", cache) : NULL, NULL };
	struct ud_run run = {
		.argv = argv, .environment = environment, .output_max = OUTPUT, .timeout_ms = RUN_MS
	};
	struct ud_ran ran = { 0 };

	assert_int_equal(ud_process_run(cx, &run, &ran), UD_OK);
	if (ran.status != 0)
		fail_msg("%s ends with %d: %s", argv[0], ran.status, ran.error);
	return ran.output;
}

void guests_folder(struct ud_ctx *cx, struct guests *ret)
{
	char *dir = ud_strdup(cx->arena, "/tmp/udg-XXXXXX");

	assert_non_null(mkdtemp(dir));
	ret->dir = dir;
}

void guests_begin(struct ud_ctx *cx, struct guests *ret)
{
	guests_folder(cx, ret);
	const char *const build[] = { UD_SOURCE_DIR "/deploy/guest/build", ret->dir, NULL };

	guests_run(cx, build);
}

const char *guests_bare(
	struct ud_ctx *cx, const struct guests *g, const char *name, const char *uuid)
{
	for (const char *disk = "vda\0vdb\0"; *disk; disk += 4) {
		const char *const make[] = { "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2",
			ud_printf(cx->arena, "%s/%s-%s.qcow2", g->dir, name, disk), "64M", NULL };

		guests_run(cx, make);
	}
	return ud_printf(cx->arena,
		"<domain type='qemu'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>64</memory>"
		"<vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>"
		"<features><acpi/></features><devices>"
		"<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>"
		"<source file='%s/%s-vda.qcow2'/><target dev='vda' bus='virtio'/></disk>"
		"<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>"
		"<source file='%s/%s-vdb.qcow2'/><target dev='vdb' bus='virtio'/></disk>"
		"<video><model type='vga' vram='8192'/></video><memballoon model='none'/>"
		"</devices></domain>",
		name, uuid, g->dir, name, g->dir, name);
}

const char *guests_uri(struct ud_ctx *cx, const struct guests *g, const char *name)
{
	return ud_printf(cx->arena, "qemu:///embed?root=%s/%s", g->dir, name);
}

const char *guests_definition(struct ud_ctx *cx, const struct guests *g, const char *name,
	const char *uuid, const char *words)
{
	const char *const disks[] = { UD_SOURCE_DIR "/deploy/guest/disks", g->dir, name, "64", "64",
		NULL };
	const char *const accel[] = { UD_SOURCE_DIR "/deploy/guest/accel",
		ud_printf(cx->arena, "%s/vmlinuz", g->dir), NULL };

	guests_run(cx, disks);
	bool kvm = strncmp(guests_run(cx, accel), "kvm", 3) == 0;

	return ud_printf(cx->arena,
		"<domain type='%s'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>128</memory>"
		"<vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type>"
		"<kernel>%s/vmlinuz</kernel><initrd>%s/initrd.img</initrd>"
		"<cmdline>console=ttyS0 quiet panic=-1 ud.disks=2 %s</cmdline></os>"
		"<features><acpi/></features><cpu mode='%s'/><devices>"
		"<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>"
		"<source file='%s/%s-vda.qcow2'/><target dev='vda' bus='virtio'/></disk>"
		"<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>"
		"<source file='%s/%s-vdb.qcow2'/><target dev='vdb' bus='virtio'/></disk>"
		"<interface type='user'><mac address='52:54:00:%.2s:%.2s:%.2s'/>"
		"<model type='virtio'/></interface>"
		"<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>"
		"</channel><video><model type='vga' vram='8192'/></video>"
		"<memballoon model='none'/></devices></domain>",
		kvm ? "kvm" : "qemu", name, uuid, g->dir, g->dir, words,
		kvm ? "host-passthrough" : "maximum", g->dir, name, g->dir, name, uuid + 30,
		uuid + 32, uuid + 34);
}

int64_t guests_room(const char *dir)
{
	struct statvfs st;

	assert_int_equal(statvfs(dir, &st), 0);
	return (int64_t)(st.f_bavail * st.f_frsize);
}

/* ---- the end ---- */

/* A QEMU outlives whoever started it; what wrote a pid file below us is ours. */
static void end_one(struct ud_ctx *cx, const char *path)
{
	const char *text = NULL, *line = NULL;
	size_t n;

	if (ud_file_read(cx, path, 64, &text, &n) != UD_OK)
		return;
	int pid = atoi(text);
	const char *command = ud_printf(cx->arena, "/proc/%d/cmdline", pid);

	if (pid > 1 && ud_file_read(cx, command, OUTPUT, &line, &n) == UD_OK &&
		strstr(line, "qemu"))
		kill(pid, SIGKILL);
}

static void end_root(struct ud_ctx *cx, const char *root)
{
	const char *folder = ud_printf(cx->arena, "%s/run/qemu", root);
	DIR *dir = opendir(folder);

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		size_t n = strlen(e->d_name);

		if (n > 4 && strcmp(e->d_name + n - 4, ".pid") == 0 &&
			strcmp(e->d_name, "driver.pid") != 0)
			end_one(cx, ud_printf(cx->arena, "%s/%s", folder, e->d_name));
	}
	closedir(dir);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st, (void)kind, (void)walk;
	return remove(path);
}

void guests_end(struct ud_ctx *cx, const struct guests *g)
{
	DIR *dir = opendir(g->dir);

	if (dir) {
		for (struct dirent *e; (e = readdir(dir));)
			if (e->d_name[0] != '.') {
				const char *root = ud_printf(cx->arena, "%s/%s", g->dir, e->d_name);

				end_root(cx, root);
				/* one that has a file system of its own */
				(void)umount2(root, MNT_DETACH | UMOUNT_NOFOLLOW);
			}
		closedir(dir);
	}
	nftw(g->dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}
