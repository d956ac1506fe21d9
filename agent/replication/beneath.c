/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openat2 for what is opened; for the other calls the parent is opened so, and the last name has no
 * slash.
 */
#include "agent/replication/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAMES_MAX = 65536, PATH_BYTES = 512, DEPTH = 8 };

int ud_beneath_root(const char *path)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -errno;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int ud_beneath_open(int root, const char *path, int flags, unsigned mode)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	long fd;

	do {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

/* The folder a path stands in, opened, and its last name. */
static int parent_of(int root, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_BYTES];

	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return ud_beneath_open(root, ".", O_RDONLY | O_DIRECTORY, 0);
	if (slash - path >= PATH_BYTES)
		return -ENAMETOOLONG;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	return ud_beneath_open(root, folder, O_RDONLY | O_DIRECTORY, 0);
}

static int result(int rc)
{
	return rc < 0 ? -errno : 0;
}

int ud_beneath_make(int root, const char *path)
{
	const char *name = path;
	int folder = parent_of(root, path, &name);

	if (folder < 0)
		return folder;
	int rc = result(mkdirat(folder, name, 0700));

	close(folder);
	return rc == -EEXIST ? 0 : rc;
}

int ud_beneath_rename(int root, const char *from, const char *to)
{
	const char *a = from, *b = to;
	int from_folder = parent_of(root, from, &a);

	if (from_folder < 0)
		return from_folder;
	int to_folder = parent_of(root, to, &b);
	int rc = to_folder < 0 ? to_folder : result(renameat(from_folder, a, to_folder, b));

	close(from_folder);
	if (to_folder >= 0)
		close(to_folder);
	return rc;
}

int ud_beneath_link(int root, const char *from, const char *to)
{
	const char *a = from, *b = to;
	int rc = ud_beneath_remove(root, to);
	int from_folder = rc < 0 ? rc : parent_of(root, from, &a);

	if (from_folder < 0)
		return from_folder;
	int to_folder = parent_of(root, to, &b);

	rc = to_folder < 0 ? to_folder : result(linkat(from_folder, a, to_folder, b, 0));
	close(from_folder);
	if (to_folder >= 0)
		close(to_folder);
	return rc;
}

int ud_beneath_remove(int root, const char *path)
{
	const char *name = path;
	int folder = parent_of(root, path, &name);

	if (folder < 0)
		return folder == -ENOENT ? 0 : folder;
	int rc = result(unlinkat(folder, name, 0));

	close(folder);
	return rc == -ENOENT ? 0 : rc;
}

/* Remove what is in a folder; takes the descriptor over. */
static int clear_folder(int fd, int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!d) {
		rc = -errno;
		close(fd);
		return rc;
	}
	while (rc == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, e->d_name, 0) == 0)
			continue;
		if (errno != EISDIR || depth == 0) {
			rc = -errno;
			break;
		}
		int inner = ud_beneath_open(fd, e->d_name, O_RDONLY | O_DIRECTORY, 0);

		rc = inner < 0 ? inner : clear_folder(inner, depth - 1);
		if (rc == 0)
			rc = result(unlinkat(fd, e->d_name, AT_REMOVEDIR));
	}
	closedir(d);
	return rc;
}

int ud_beneath_clear(int root, const char *path)
{
	const char *name = path;
	int fd = ud_beneath_open(root, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	int rc = clear_folder(fd, DEPTH);
	int folder = rc == 0 ? parent_of(root, path, &name) : rc;

	if (folder < 0)
		return folder;
	rc = result(unlinkat(folder, name, AT_REMOVEDIR));
	close(folder);
	return rc;
}

int ud_beneath_sync(int root, const char *path)
{
	int fd = ud_beneath_open(root, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	int rc = result(fsync(fd));

	close(fd);
	return rc;
}

bool ud_beneath_exists(int root, const char *path)
{
	int fd = ud_beneath_open(root, path, O_PATH, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int ud_read_at(int fd, void *buf, size_t n, int64_t offset)
{
	unsigned char *p = buf;

	while (n) {
		ssize_t got = pread(fd, p, n, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -ENODATA;
		p += got;
		n -= (size_t)got;
		offset += got;
	}
	return 0;
}

int ud_write_at(int fd, const void *buf, size_t n, int64_t offset)
{
	const unsigned char *p = buf;

	while (n) {
		ssize_t put = pwrite(fd, p, n, offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		p += put;
		n -= (size_t)put;
		offset += put;
	}
	return 0;
}

int ud_beneath_write(int root, const char *path, const void *data, size_t n)
{
	char part[PATH_BYTES];
	const char *name = path;

	if ((size_t)snprintf(part, sizeof(part), "%s.part", path) >= sizeof(part))
		return -ENAMETOOLONG;
	int rc = ud_beneath_remove(root, part);
	int fd = rc < 0 ? rc : ud_beneath_open(root, part, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0)
		return fd;
	rc = ud_write_at(fd, data, n, 0);
	if (rc == 0)
		rc = result(fsync(fd));
	close(fd);
	if (rc == 0)
		rc = ud_beneath_rename(root, part, path);
	if (rc < 0)
		return rc;
	int folder = parent_of(root, path, &name);

	if (folder < 0)
		return folder;
	rc = result(fsync(folder));
	close(folder);
	return rc;
}

int ud_beneath_read(
	struct ud_ctx *cx, int root, const char *path, size_t max, const char **ret, size_t *ret_n)
{
	struct stat st;
	int fd = ud_beneath_open(root, path, O_RDONLY | O_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	int rc = result(fstat(fd, &st));

	if (rc == 0 && !S_ISREG(st.st_mode))
		rc = -EINVAL;
	if (rc == 0 && (uint64_t)st.st_size > max)
		rc = -EFBIG;
	if (rc == 0) {
		char *data = ud_alloc(cx->arena, (size_t)st.st_size + 1);

		rc = ud_read_at(fd, data, (size_t)st.st_size, 0);
		*ret = data;
		*ret_n = (size_t)st.st_size;
	}
	close(fd);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int ud_beneath_list(
	struct ud_ctx *cx, int root, const char *path, const char *const **ret, size_t *ret_n)
{
	int fd = ud_beneath_open(root, path, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const char **names = NULL;
	struct dirent *e;
	size_t n = 0, cap = 0;

	*ret = NULL;
	*ret_n = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while (n < NAMES_MAX && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (n == cap) {
			const char **more = ud_alloc(cx->arena, (2 * cap + 16) * sizeof(*more));

			if (n)
				memcpy(more, names, n * sizeof(*more));
			names = more;
			cap = 2 * cap + 16;
		}
		names[n++] = ud_strdup(cx->arena, e->d_name);
	}
	closedir(d);
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	*ret = names;
	*ret_n = n;
	return 0;
}

enum ud_code ud_beneath_fail(struct ud_ctx *cx, int error, const char *path)
{
	enum ud_code code = error == -ENOSPC || error == -EDQUOT || error == -EFBIG
		? UD_E_STORAGE_FULL
		: error == -ENOENT ? UD_E_NOT_FOUND
				   : UD_E_UNAVAILABLE;

	return ud_fail(cx, code, NULL, "%s: %s", path, strerror(-error));
}
