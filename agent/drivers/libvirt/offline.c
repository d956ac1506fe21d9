/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading images of VMs that are off: one qemu-nbd per image, read-only, on a socket of its own,
 * with a bitmap of the image when there is one to go by.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/process.h"
#include "base/socket.h"

enum {
	READY_MS = 15000,
	LOOK_MS = 20,
	NBD_MS = 30000,
	END_MS = 10000,
	GIVE_WAY_MS = 60000,
	STOP_AGAIN_MS = 500
};

struct ud_lv_images {
	const struct ud_env *env;
	int pids[UD_LV_DISKS];
	char *sockets[UD_LV_DISKS];
	size_t count;
};

void ud_lv_images_release(ud_lv_images **images)
{
	ud_lv_images *im = *images;

	if (!im)
		return;
	for (size_t i = 0; i < im->count; i++) {
		int status;

		(void)im->env->processes->kill(im->pids[i], SIGTERM);
		if (im->env->processes->wait(im->pids[i], END_MS, &status) != 0) {
			(void)im->env->processes->kill(im->pids[i], SIGKILL);
			(void)im->env->processes->wait(im->pids[i], END_MS, &status);
		}
		(void)im->env->files->remove(im->sockets[i]);
		ud_free(im->sockets[i]);
	}
	ud_free(im);
	*images = NULL;
}

/* Until it listens, or has ended. */
static enum ud_code await_socket(
	struct ud_ctx *cx, struct ud_lv *lv, int pid, const char *path, bool *ret_ended)
{
	int64_t last = ud_mono_ms(cx->env) + READY_MS;

	for (;;) {
		int status, fd = -1;

		if (cx->env->sockets->connect(
			    ud_printf(cx->arena, "unix:%s", path), LOOK_MS, &fd) == 0) {
			cx->env->sockets->close(fd);
			return UD_OK;
		}
		*ret_ended = cx->env->processes->wait(pid, 0, &status) == 0;
		if (*ret_ended)
			return ud_fail(cx, UD_E_HYPERVISOR, NULL,
				"The image cannot be read: qemu-nbd ends with %d.", status);
		if (ud_mono_ms(cx->env) >= last)
			return ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "qemu-nbd does not listen.");
		ud_lv_wait_event(lv, ud_lv_events(lv), LOOK_MS);
	}
}

/* It serves until we end it (-t), to several clients (-e), so that looking does not end it. */
static enum ud_code serve(struct ud_ctx *cx, struct ud_lv *lv, ud_lv_images *im,
	const struct ud_lv_image *image, const char *bitmap, const char *path)
{
	const char *const with[] = { "/usr/bin/qemu-nbd", "-r", "-t", "-e", "8", "-f",
		image->format, "-x", image->target, "-k", path, "-B", bitmap, image->path, NULL };
	const char *const without[] = { "/usr/bin/qemu-nbd", "-r", "-t", "-e", "8", "-f",
		image->format, "-x", image->target, "-k", path, image->path, NULL };
	const struct ud_program program = {
		.argv = bitmap ? with : without, .in = -1, .out = -1, .err = -1
	};
	bool ended = false;
	int pid = 0;

	(void)cx->env->files->remove(path);
	if (cx->env->processes->start(&program, &pid) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start qemu-nbd");
	enum ud_code code = await_socket(cx, lv, pid, path, &ended);

	if (!ended) {
		im->pids[im->count] = pid;
		im->sockets[im->count++] = ud_heap_strdup(path);
	}
	return code;
}

enum ud_code ud_lv_images_open(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_lv_image *images, size_t n, const char *bitmap, ud_lv_images **ret,
	ud_source **ret_source)
{
	UD_AUTO(ud_lv_images) *im = ud_malloc(sizeof(*im));
	struct ud_nbd_disk disks[UD_LV_DISKS];

	im->env = cx->env;
	UD_TRY(ud_lv_make_folder(cx, ud_printf(cx->arena, "%s/run", r->lv->dir)));
	for (size_t i = 0; i < n; i++) {
		const char *path = ud_printf(cx->arena, "%s/run/%.30s-%zu", r->lv->dir, r->id, i);

		UD_TRY(serve(cx, r->lv, im, &images[i], bitmap, path));
		disks[i] = (struct ud_nbd_disk){ .name = images[i].target,
			.socket_path = path,
			.export_name = images[i].target,
			.bitmap = bitmap ? ud_printf(cx->arena, "qemu:dirty-bitmap:%s", bitmap)
					 : NULL };
	}
	UD_TRY(ud_source_nbd(cx, disks, n, NBD_MS, ret_source));
	*ret = UD_TAKE(im);
	return UD_OK;
}

/* ---- were they written to? ---- */

static uint64_t mix(uint64_t sum, uint64_t n)
{
	return (sum ^ n) * UINT64_C(0x100000001b3);
}

int64_t ud_lv_images_stamp(const struct ud_lv_image *images, size_t n)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++) {
		struct stat st = { 0 };

		if (stat(images[i].path, &st) != 0)
			return 0;
		sum = mix(mix(sum, (uint64_t)st.st_dev), (uint64_t)st.st_ino);
		sum = mix(mix(sum, (uint64_t)st.st_size), (uint64_t)st.st_mtim.tv_sec);
		sum = mix(sum, (uint64_t)st.st_mtim.tv_nsec);
	}
	return (int64_t)(sum >> 1 | 1);
}

bool ud_lv_images_untouched(int64_t stamp, const struct ud_lv_image *images, size_t n)
{
	return stamp != 0 && n > 0 && ud_lv_images_stamp(images, n) == stamp;
}

/* ---- a VM that is to be started ---- */

/* The relations of a VM that could read its images; call each under the book's lock. */
static void count_starts(struct ud_lv_book *book, const char *uuid, int by)
{
	for (struct ud_lv_relation *r = book->relations; r; r = r->next)
		if (r->relation.uuid && strcmp(r->relation.uuid, uuid) == 0)
			r->starts = r->starts + by < 0 ? 0 : r->starts + by;
}

/* Stop those that read; false: none does. Under the book's lock. */
static bool stop_reading(struct ud_lv_book *book, const char *uuid)
{
	bool any = false;

	for (struct ud_lv_relation *r = book->relations; r; r = r->next) {
		if (!r->reads_off || !r->relation.uuid || strcmp(r->relation.uuid, uuid) != 0)
			continue;
		any = true;
		if (!r->sender)
			continue;
		ud_sender_stop(r->sender);
		r->sender_generation = 0; /* a new one for the next cycle */
	}
	return any;
}

void ud_lv_start_begin(struct ud_lv *lv, const char *uuid)
{
	struct ud_lv_book *book = lv->book;
	int64_t last = ud_mono_ms(&ud_env_real) + GIVE_WAY_MS;
	struct timespec until;

	pthread_mutex_lock(&book->lock);
	count_starts(book, uuid, 1);
	while (stop_reading(book, uuid) && ud_mono_ms(&ud_env_real) < last) {
		ud_deadline(STOP_AGAIN_MS, &until);
		pthread_cond_timedwait(&book->moved, &book->lock, &until);
	}
	pthread_mutex_unlock(&book->lock);
}

void ud_lv_start_end(struct ud_lv *lv, const char *uuid)
{
	pthread_mutex_lock(&lv->book->lock);
	count_starts(lv->book, uuid, -1);
	pthread_mutex_unlock(&lv->book->lock);
}

bool ud_lv_off_begin(struct ud_lv_relation *r)
{
	pthread_mutex_lock(&r->lv->book->lock);
	r->reads_off = r->starts == 0;
	bool may = r->reads_off;

	pthread_mutex_unlock(&r->lv->book->lock);
	return may;
}

bool ud_lv_off_end(struct ud_lv_relation *r)
{
	pthread_mutex_lock(&r->lv->book->lock);
	r->reads_off = false;
	bool stopped = r->starts > 0;

	pthread_cond_broadcast(&r->lv->book->moved);
	pthread_mutex_unlock(&r->lv->book->lock);
	return stopped;
}

/* ---- which they are ---- */

static bool is_excluded(const struct ud_texts *excluded, const char *target)
{
	for (size_t i = 0; excluded && i < excluded->count; i++)
		if (strcmp(excluded->items[i], target) == 0)
			return true;
	return false;
}

enum ud_code ud_lv_images_of(struct ud_ctx *cx, xmlNodePtr root, const struct ud_texts *excluded,
	struct ud_lv_image *ret, size_t *ret_n)
{
	*ret_n = 0;
	for (xmlNodePtr disk = ud_lv_child(root, "devices/disk"); disk; disk = ud_lv_next(disk)) {
		const char *target = ud_lv_disk_target(cx, disk);
		const char *path = ud_lv_disk_path(cx, disk);
		const char *format = ud_lv_attribute(cx, ud_lv_child(disk, "driver"), "type");

		if (!target || is_excluded(excluded, target) || ud_lv_child(disk, "readonly"))
			continue;
		if (!path || *ret_n == UD_LV_DISKS)
			return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "Disk %s cannot be replicated.",
				target);
		ret[(*ret_n)++] = (struct ud_lv_image){ target, path, format ? format : "raw" };
	}
	if (*ret_n == 0)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "The VM has no disk to replicate.");
	return UD_OK;
}
