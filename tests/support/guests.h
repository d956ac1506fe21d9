/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real guests for tests (docs/guest.md): a folder with kernel, initramfs and disks, and definitions
 * that the driver imports. The folder is short, because sockets lie below it, and goes with all
 * that still runs in it.
 */
#ifndef TESTS_SUPPORT_GUESTS_H
#define TESTS_SUPPORT_GUESTS_H

#include "agent/driver.h"

struct guests {
	const char *dir; /* kernel, initramfs and disks; hosts' roots lie below it */
};

/* Make the folder and build the guest into it. */
void guests_begin(struct ud_ctx *cx, struct guests *ret);
/* End every QEMU that was started below a root of the folder, and remove it all. */
void guests_end(struct ud_ctx *cx, const struct guests *g);
/* "qemu:///embed?root=DIR/NAME". */
const char *guests_uri(struct ud_ctx *cx, const struct guests *g, const char *name);
/* Make the disks of a guest, and its definition for ud_hv_definition_import. words: further ones
 * for the kernel's command line. */
const char *guests_definition(struct ud_ctx *cx, const struct guests *g, const char *name,
	const char *uuid, const char *words);
/* Bytes that are free where this folder lies. */
int64_t guests_room(const char *dir);
/* The folder alone, without a guest to boot. */
void guests_folder(struct ud_ctx *cx, struct guests *ret);
/* Two disks of 64 MiB and a definition without a system to boot: QEMU runs, and tests write to the
 * disks as its guest would (trio's work_io). */
const char *guests_bare(
	struct ud_ctx *cx, const struct guests *g, const char *name, const char *uuid);
/* Run a program; its output. Fails the test when it ends with another status than 0. */
const char *guests_run(struct ud_ctx *cx, const char *const *argv);

#endif
