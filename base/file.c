/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files into and out of the arena, by whatever table the environment has.
 */
#include "base/file.h"

#include <errno.h>
#include <string.h>

enum ud_code ud_file_read(
	struct ud_ctx *cx, const char *path, size_t max, const char **ret, size_t *ret_n)
{
	char *data = NULL;
	size_t n = 0;
	int why = cx->env->files->read(path, max, &data, &n);

	if (why)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", path, strerror(why));
	*ret = ud_strndup(cx->arena, data, n);
	*ret_n = n;
	ud_free(data);
	return UD_OK;
}

enum ud_code ud_file_write(
	struct ud_ctx *cx, const char *path, const void *data, size_t n, unsigned mode)
{
	int why = cx->env->files->write(path, data, n, mode);

	if (why)
		return ud_fail(cx, why == ENOSPC ? UD_E_STORAGE_FULL : UD_E_UNAVAILABLE, NULL,
			"%s: %s", path, strerror(why));
	return UD_OK;
}

#ifdef _WIN32
static const char separators[] = "/\\:";
#else
static const char separators[] = "/";
#endif

size_t ud_path_head(const char *path)
{
	size_t n = strlen(path);

	while (n && !strchr(separators, path[n - 1]))
		n--;
	return n;
}
