/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scratch files of backup jobs. QEMU makes one by two jobs of its own, a dozen words each way with
 * a process that is busy with its guest, and ends with an assertion when it is asked for its images
 * meanwhile (images.c). An empty one that we write costs a few kilobytes: it is put together once
 * for each size, and copied from then on. Nothing of it needs to outlast the job, so nothing is
 * synced but the pattern.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/drivers/libvirt/relation.h"
#include "agent/replication/qcow2.h"
#include "base/env.h"
#include "base/file.h"

enum { PATTERN_MAX = 64 << 20, SIZE_AT = 24 };
static const char patterns[] = ".empty-";

void ud_lv_scratch_clear(struct ud_ctx *cx, const char *folder)
{
	DIR *dir = opendir(folder);

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] != '.')
			(void)cx->env->files->remove(
				ud_printf(cx->arena, "%s/%s", folder, e->d_name));
	closedir(dir);
}

/* The disk's size as the image's header has it (qcow2, big-endian); 0 = it cannot be told. */
static int64_t size_of(const struct ud_lv_image *image)
{
	unsigned char head[SIZE_AT + 8];
	uint64_t size = 0;
	int fd = strcmp(image->format, "qcow2") == 0 ? open(image->path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
		memcmp(head, "QFI\xfb", 4) == 0)
		for (int i = 0; i < 8; i++)
			size = size << 8 | head[SIZE_AT + i];
	if (fd >= 0)
		close(fd);
	return size > 0 && size <= (uint64_t)UD_DISK_MAX && size % 512 == 0 ? (int64_t)size : 0;
}

/* The pattern for a size; it is written beside and renamed, or one of before is taken. */
static bool pattern_for(struct ud_ctx *cx, const char *folder, int64_t size, const char **ret)
{
	const char *path = ud_printf(cx->arena, "%s/%s%lld", folder, patterns, (long long)size);
	const char *part = ud_printf(cx->arena, "%s.part", path);
	int fd, rc;

	*ret = path;
	if (access(path, R_OK) == 0)
		return true;
	fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	rc = ud_qcow2_empty(fd, size, "", "raw");
	close(fd);
	return rc == 0 && rename(part, path) == 0;
}

/* Holes stay holes. */
static bool copy(int from, int to, int64_t size)
{
	int64_t at = 0;

	while (at < size) {
		off_t begin = lseek(from, at, SEEK_DATA), end;

		if (begin < 0)
			break;
		end = lseek(from, begin, SEEK_HOLE);
		for (off_t in = begin, out = begin; in < end;)
			if (copy_file_range(from, &in, to, &out, (size_t)(end - in), 0) <= 0)
				return false;
		at = end;
	}
	return ftruncate(to, size) == 0;
}

static bool make(struct ud_ctx *cx, const char *folder, const struct ud_lv_image *image)
{
	int64_t size = size_of(image);
	const char *pattern = NULL;
	struct stat st;

	if (size == 0 || !pattern_for(cx, folder, size, &pattern))
		return false;
	int from = open(pattern, O_RDONLY | O_CLOEXEC);
	int to = open(ud_printf(cx->arena, "%s/%s", folder, image->target),
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool made = from >= 0 && to >= 0 && fstat(from, &st) == 0 && st.st_size <= PATTERN_MAX &&
		copy(from, to, st.st_size);

	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return made;
}

bool ud_lv_scratch_make(
	struct ud_ctx *cx, const char *folder, const struct ud_lv_image *images, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (make(cx, folder, &images[i]))
			continue;
		ud_lv_scratch_clear(cx, folder);
		return false;
	}
	return true;
}
