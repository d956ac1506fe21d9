/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does KVM work here? A device that opens, or a libvirt that lists it, proves nothing: there are
 * hosts where such a guest stands still for ever. So something is booted: the host's own kernel, or
 * where there is none a boot sector that writes one letter. One answer per boot of the host;
 * UD_ACCEL in the environment overrules it.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"

enum { PROBE_MS = 10000, SECTOR = 512 };

/* The newest kernel of the host, or NULL. */
static const char *kernel_of(struct ud_ctx *cx)
{
	DIR *folder = opendir("/boot");
	const char *best = NULL;

	if (!folder)
		return NULL;
	for (struct dirent *e; (e = readdir(folder));)
		if (strncmp(e->d_name, "vmlinuz-", 8) == 0 &&
			(!best || strverscmp(best, e->d_name) < 0))
			best = ud_strdup(cx->arena, e->d_name);
	closedir(folder);
	return best ? ud_printf(cx->arena, "/boot/%s", best) : NULL;
}

/* mov dx,0x3f8; mov al,'U'; out dx,al; mov al,10; out dx,al; cli; hlt; jmp $-1 */
static enum ud_code write_sector(struct ud_ctx *cx, const char *path)
{
	static const unsigned char code[] = { 0xba, 0xf8, 0x03, 0xb0, 'U', 0xee, 0xb0, 10, 0xee,
		0xfa, 0xf4, 0xeb, 0xfd };
	unsigned char sector[SECTOR] = { 0 };

	memcpy(sector, code, sizeof(code));
	sector[SECTOR - 2] = 0x55;
	sector[SECTOR - 1] = 0xaa;
	return ud_file_write(cx, path, sector, sizeof(sector), 0600);
}

/* timeout(1) ends QEMU; head(1) would need a shell. What it has said until then counts. */
static bool boots(struct ud_ctx *cx, struct ud_lv *lv)
{
	const char *kernel = kernel_of(cx);
	const char *sector = ud_printf(cx->arena, "%s/probe.img", lv->dir);
	const char *const with_kernel[] = { "/usr/bin/timeout", "5", "/usr/bin/qemu-system-x86_64",
		"-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults", "-display", "none",
		"-no-reboot", "-serial", "stdio", "-kernel", kernel, "-append",
		"console=ttyS0 panic=-1", NULL };
	const char *const with_sector[] = { "/usr/bin/timeout", "3", "/usr/bin/qemu-system-x86_64",
		"-accel", "kvm", "-cpu", "host", "-m", "16", "-nodefaults", "-display", "none",
		"-no-reboot", "-serial", "stdio", "-drive",
		ud_printf(cx->arena, "file=%s,format=raw,if=ide,snapshot=on", sector), NULL };
	struct ud_run run = { .argv = kernel ? with_kernel : with_sector,
		.output_max = 64 << 10,
		.timeout_ms = PROBE_MS };
	struct ud_ran ran = { 0 };

	if (!kernel && write_sector(cx, sector) != UD_OK)
		return false;
	if (ud_process_run(cx, &run, &ran) != UD_OK)
		return false;
	return strstr(ran.output, kernel ? "Linux version" : "U\n") != NULL;
}

void ud_lv_probe(struct ud_ctx *cx, struct ud_lv *lv)
{
	const char *said = getenv("UD_ACCEL"), *boot = "", *kept = NULL;
	const char *path = ud_printf(cx->arena, "%s/accel", lv->dir);
	size_t n;

	if (said && (strcmp(said, "kvm") == 0 || strcmp(said, "tcg") == 0)) {
		memcpy(lv->accel, said, sizeof("kvm"));
		return;
	}
	if (ud_lv_host_boot(cx, &boot) == UD_OK &&
		ud_file_read(cx, path, 256, &kept, &n) == UD_OK &&
		strncmp(kept, boot, strlen(boot)) == 0 && n == strlen(boot) + 5) {
		memcpy(lv->accel, kept + strlen(boot) + 1, 3);
		return;
	}
	bool kvm = access("/dev/kvm", R_OK | W_OK) == 0 && boots(cx, lv);

	ud_ctx_clear(cx);
	memcpy(lv->accel, kvm ? "kvm" : "tcg", sizeof("kvm"));
	const char *text = ud_printf(cx->arena, "%s %s\n", boot, lv->accel);

	if (ud_file_write(cx, path, text, strlen(text), 0600) != UD_OK)
		ud_ctx_clear(cx); /* asked again next time */
	ud_log(UD_LOG_INFO, "accelerator", "is", lv->accel, NULL);
}
