/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spools on a POSIX file system: O_EXCL beside, fsync, rename, fsync of the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/spool.h"

struct ud_spool {
	char *folder, *name; /* name: beside, or in its place */
	int fd;
	EVP_MD_CTX *hash;
	int64_t size, max;
	int why; /* errno of the first write that failed; EFBIG = too large */
	bool kept;
	char sha256[UD_SHA256_HEX];
};

static enum ud_code failed(struct ud_ctx *cx, int why, const char *path)
{
	return ud_fail(cx, why == ENOSPC || why == EDQUOT ? UD_E_STORAGE_FULL : UD_E_UNAVAILABLE,
		NULL, "%s: %s", path, strerror(why));
}

static char *path_of(const char *folder, const char *name)
{
	size_t n = strlen(folder) + strlen(name) + 2;
	char *path = ud_malloc(n);

	memcpy(path, folder, strlen(folder));
	path[strlen(folder)] = '/';
	memcpy(path + strlen(folder) + 1, name, strlen(name));
	return path;
}

enum ud_code ud_spool_open(struct ud_ctx *cx, const char *folder, int64_t max, ud_spool **ret)
{
	ud_spool *s = ud_malloc(sizeof(*s));

	s->folder = ud_heap_strdup(folder);
	s->name = ud_heap_strdup(
		ud_printf(cx->arena, "%s.part", ud_id_new(cx->arena, cx->env, cx->now_ms, "up")));
	s->max = max;
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		s->why = errno;
	char *path = path_of(folder, s->name);

	s->fd = s->why ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd < 0) {
		enum ud_code code = failed(cx, s->why ? s->why : errno, path);

		s->kept = true; /* nothing to remove */
		ud_free(path);
		ud_spool_release(&s);
		return code;
	}
	ud_free(path);
	s->hash = EVP_MD_CTX_new();
	if (!s->hash || EVP_DigestInit_ex(s->hash, EVP_sha256(), NULL) != 1)
		abort();
	*ret = s;
	return UD_OK;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

bool ud_spool_add(ud_spool *s, const void *data, size_t n)
{
	if (!s->why && s->size + (int64_t)n > s->max)
		s->why = EFBIG;
	if (!s->why)
		s->why = write_all(s->fd, data, n);
	if (s->why)
		return false;
	s->size += (int64_t)n;
	if (EVP_DigestUpdate(s->hash, data, n) != 1)
		abort();
	return true;
}

int64_t ud_spool_size(const ud_spool *s)
{
	return s->size;
}

static int sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int why = fd < 0 || fsync(fd) != 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return why;
}

const char *ud_spool_seal(ud_spool *s)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[UD_SHA256];

	if (*s->sha256)
		return s->sha256;
	if (EVP_DigestFinal_ex(s->hash, raw, NULL) != 1)
		abort();
	for (size_t i = 0; i < sizeof(raw); i++) {
		s->sha256[2 * i] = digits[raw[i] >> 4];
		s->sha256[2 * i + 1] = digits[raw[i] & 15];
	}
	return s->sha256;
}

enum ud_code ud_spool_finish(struct ud_ctx *cx, ud_spool *s, const char *name)
{
	if (s->why == EFBIG)
		return ud_fail(cx, UD_E_BODY_TOO_LARGE, NULL, "A file may have at most %lld bytes.",
			(long long)s->max);
	char *from = path_of(s->folder, s->name), *to = path_of(s->folder, name);
	int why = s->why;

	if (!why && (fsync(s->fd) != 0 || rename(from, to) != 0))
		why = errno;
	if (!why)
		why = sync_folder(s->folder);
	enum ud_code code = why ? failed(cx, why, to) : UD_OK;

	if (!why) {
		ud_free(s->name);
		s->name = ud_heap_strdup(name);
	}
	ud_free(from);
	ud_free(to);
	return code;
}

void ud_spool_keep(ud_spool *s)
{
	s->kept = true;
}

void ud_spool_release(ud_spool **spool)
{
	ud_spool *s = *spool;

	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	if (!s->kept) {
		char *path = path_of(s->folder, s->name);

		unlink(path);
		ud_free(path);
	}
	EVP_MD_CTX_free(s->hash);
	ud_free(s->folder);
	ud_free(s->name);
	ud_free(s);
	*spool = NULL;
}

enum ud_code ud_spool_read(
	struct ud_ctx *cx, const char *folder, const char *name, int *ret_fd, int64_t *ret_size)
{
	char *path = path_of(folder, name);
	struct stat st = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int why = fd < 0 || fstat(fd, &st) != 0 ? errno : 0;
	enum ud_code code = UD_OK;

	if (why == ENOENT)
		code = ud_fail(cx, UD_E_NOT_FOUND, NULL, "The file is no longer kept.");
	else if (why)
		code = failed(cx, why, path);
	ud_free(path);
	if (code != UD_OK) {
		if (fd >= 0)
			close(fd);
		return code;
	}
	*ret_fd = fd;
	*ret_size = st.st_size;
	return UD_OK;
}

enum ud_code ud_spool_remove(struct ud_ctx *cx, const char *folder, const char *name)
{
	char *path = path_of(folder, name);
	bool gone = unlink(path) == 0 || errno == ENOENT;
	const char *why = gone ? "" : strerror(errno);

	ud_free(path);
	return gone ? UD_OK
		    : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot remove file %s: %s", name, why);
}
