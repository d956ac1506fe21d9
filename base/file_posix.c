/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files on a POSIX system; a write is seen entirely or not at all.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static int read_all(int fd, size_t max, char **ret_data, size_t *ret_n)
{
	size_t cap = 4096, n = 0;
	char *data = ud_malloc(cap + 1);

	for (;;) {
		if (n == cap)
			data = ud_realloc(data, (cap *= 2) + 1);
		ssize_t got = read(fd, data + n, cap - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || n + (size_t)got > max) {
			int why = got < 0 ? errno : EFBIG;

			ud_free(data);
			return why;
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	data[n] = 0;
	*ret_data = data;
	*ret_n = n;
	return 0;
}

static int real_read(const char *path, size_t max, char **ret_data, size_t *ret_n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	int why = read_all(fd, max, ret_data, ret_n);

	close(fd);
	return why;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno;
		p += put;
		n -= (size_t)put;
	}
	return fsync(fd) == 0 ? 0 : errno;
}

static int sync_folder_of(const char *path)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path + 1) : 1,
		slash ? path : ".");
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	int why = fsync(fd) == 0 ? 0 : errno;

	close(fd);
	return why;
}

static int real_write(const char *path, const void *data, size_t n, unsigned mode)
{
	char part[4096];

	if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
		return ENAMETOOLONG;
	/* what a crash left there may be open to others: its mode would stay */
	unlink(part);
	int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return errno;
	int why = write_all(fd, data, n);

	close(fd);
	if (why == 0 && rename(part, path) != 0)
		why = errno;
	if (why != 0) {
		unlink(part);
		return why;
	}
	return sync_folder_of(path);
}

static int real_make_folder(const char *path, unsigned mode)
{
	return mkdir(path, mode) == 0 ? 0 : errno;
}

static int real_remove(const char *path)
{
	return unlink(path) == 0 ? 0 : errno;
}

static int no_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

/* By bytes: not by the locale's order. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int real_list(const char *folder, void (*each)(void *data, const char *name), void *data)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, no_dots, by_name);

	if (n < 0)
		return errno;
	for (int i = 0; i < n; i++) {
		each(data, entries[i]->d_name);
		ud_free(entries[i]);
	}
	ud_free(entries);
	return 0;
}

const struct ud_files ud_files_real = { .read = real_read,
	.write = real_write,
	.make_folder = real_make_folder,
	.remove = real_remove,
	.list = real_list };
