/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may have changed a program of the host: by owner and mode, links not followed.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/script.h"

/* Root's, and nobody else's to change. */
static bool is_roots(const struct stat *st)
{
	return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static enum ud_code check_file(struct ud_ctx *cx, int folder, const char *name)
{
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return ud_fail(cx, UD_E_NOT_FOUND, "program",
			"The host's folder of programs has no %s.", name);
	if (!S_ISREG(st.st_mode) || !is_roots(&st) || !(st.st_mode & S_IXUSR))
		return ud_fail(cx, UD_E_INVALID_STATE, "program",
			"%s is not run: it must be a file, root's, for nobody else to change, and"
			" executable.",
			name);
	return UD_OK;
}

enum ud_code ud_script_find(
	struct ud_ctx *cx, const char *folder, const char *name, const char **ret)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return ud_fail(cx, UD_E_NOT_FOUND, "program",
			"The host's folder of programs cannot be opened.");
	enum ud_code code = fstat(fd, &st) == 0 && is_roots(&st)
		? check_file(cx, fd, name)
		: ud_fail(cx, UD_E_INVALID_STATE, "program",
			  "The host's folder of programs must be root's, for nobody else to change.");

	close(fd);
	UD_TRY(code);
	*ret = ud_printf(cx->arena, "%s/%s", folder, name);
	return UD_OK;
}
