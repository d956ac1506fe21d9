/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a VM, its disks aside, cannot be replicated, or would be missed at the replica. It is
 * told with the inventory, so that people learn of it before anything is made.
 */
#include <string.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/replication.h"

/* What a definition may lack at the replica without anybody missing it, or is told of by itself. */
static const char *const unmissed[] = { "domain/metadata", "domain/resource", "domain/seclabel",
	"domain/devices/emulator", "domain/devices/serial", "domain/devices/console",
	"domain/devices/parallel", "domain/devices/channel", "domain/devices/graphics",
	"domain/devices/audio", "domain/devices/redirdev", "domain/devices/rng",
	"domain/devices/disk", "domain/devices/hostdev", "domain/devices/tpm" };

/* One of a list that is parted by ", ". */
static bool is_unmissed(const char *path, size_t n)
{
	for (size_t i = 0; i < UD_LEN(unmissed); i++) {
		size_t k = strlen(unmissed[i]);

		if (n >= k && strncmp(path, unmissed[i], k) == 0 && (n == k || path[k] == '/'))
			return true;
	}
	return false;
}

static const char *missed_of(struct ud_ctx *cx, const char *dropped)
{
	struct ud_buf b = { 0 };

	for (const char *at = dropped; *at; at += *at ? 2 : 0) {
		size_t n = strcspn(at, ",");

		if (!is_unmissed(at, n))
			ud_buf_printf(&b, "%s%.*s", b.len ? ", " : "", (int)n, at);
		at += n;
	}
	return ud_buf_take(cx->arena, &b);
}

enum { WORDS_MAX = 400 };

static void add(struct ud_buf *b, const struct ud_blocker *bar)
{
	ud_buf_putc(b, b->len ? ',' : '[');
	ud_shape_encode(b, &ud_blocker_shape, bar, NULL);
}

/* What a failover would make of the definition, tried now. */
static void try_definition(struct ud_ctx *cx, const char *stored, struct ud_buf *b)
{
	UD_AUTO(ud_lv_doc) *reduced = NULL;
	const char *dropped = "";

	if (ud_lv_reduce(cx, stored, &reduced, &dropped) != UD_OK) {
		add(b,
			&(struct ud_blocker){ .code = "definition_unfit",
				.text = ud_printf(cx->arena, "%.*s", WORDS_MAX, cx->problem.detail),
				.fix = "Change the VM's definition: no replica could be started "
				       "with it." });
		ud_ctx_clear(cx);
		return;
	}
	const char *missed = missed_of(cx, dropped);

	if (*missed)
		add(b,
			&(struct ud_blocker){ .code = "parts_left_out",
				.text = ud_printf(cx->arena, "The replica comes up without %.*s.",
					WORDS_MAX, missed),
				.fix = "See whether the guest can do without.",
				.warning = true });
}

/* Parts of a definition that stay with this host. */
static const struct {
	const char *path;
	/* does this one go along? NULL = never */
	bool (*ships)(struct ud_ctx *cx, xmlNodePtr part);
	struct ud_blocker bar;
} parts[] = {
	{ "devices/hostdev", NULL,
		{ .code = "host_device",
			.text = "The VM has devices of this host; its replica comes up without "
				"them.",
			.fix = "Take them out if the guest cannot do without.",
			.warning = true } },
	{ "devices/tpm", ud_lv_tpm_ships,
		{ .code = "tpm_state",
			.text = "The VM's TPM is a device of this host, of version 1.2, or sealed "
				"with a secret of this host: its state is not replicated, and the "
				"replica has none.",
			.fix = "Keep the recovery keys of what it protects.",
			.warning = true } },
	{ "os/kernel", ud_lv_boot_ships,
		{ .code = "direct_boot",
			.text = "The VM's kernel or initrd is a file of this host that cannot be "
				"read or is too large: 256 MiB together go along.",
			.fix = "Keep it below /boot, /usr/share or /var/lib/libvirt/boot, "
			       "at the same place on both hosts.",
			.warning = true } },
};

const char *ud_lv_bars(struct ud_ctx *cx, xmlNodePtr root, const char *stored, bool transient)
{
	struct ud_buf b = { 0 };

	if (transient)
		add(&b,
			&(struct ud_blocker){ .code = "transient_vm",
				.text = "The VM is transient: its bitmaps go with it.",
				.fix = "Define it." });
	try_definition(cx, stored, &b);
	for (size_t i = 0; i < UD_LEN(parts); i++) {
		xmlNodePtr part = ud_lv_child(root, parts[i].path);

		if (part && !(parts[i].ships && parts[i].ships(cx, part)))
			add(&b, &parts[i].bar);
	}
	ud_buf_puts(&b, b.len ? "]" : "[]");
	return ud_buf_take(cx->arena, &b);
}
