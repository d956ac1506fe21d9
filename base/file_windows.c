/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files on Windows; a write is seen entirely or not at all.
 */
#include <windows.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/wide.h"

/* Who reads the file just now, or looks for viruses in it, lets go of it soon: 3 s at most. */
enum { REPLACE_TRIES = 120, REPLACE_MS = 25 };

static int read_all(HANDLE h, size_t max, char **ret_data, size_t *ret_n)
{
	LARGE_INTEGER size;

	if (!GetFileSizeEx(h, &size))
		return ud_windows_errno();
	if (size.QuadPart > (int64_t)max || size.QuadPart > INT32_MAX)
		return EFBIG;
	size_t all = (size_t)size.QuadPart, n = 0;
	char *data = ud_malloc(all + 1);

	while (n < all) {
		DWORD got = 0;

		if (!ReadFile(h, data + n, (DWORD)(all - n), &got, NULL)) {
			ud_free(data);
			return ud_windows_errno();
		}
		if (got == 0)
			break;
		n += got;
	}
	data[n] = 0;
	*ret_data = data;
	*ret_n = n;
	return 0;
}

static int real_read(const char *path, size_t max, char **ret_data, size_t *ret_n)
{
	wchar_t *wide = ud_wide(path);
	HANDLE h = CreateFileW(wide, GENERIC_READ,
		FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
		FILE_ATTRIBUTE_NORMAL, NULL);

	ud_free(wide);
	if (h == INVALID_HANDLE_VALUE)
		return ud_windows_errno();
	int why = read_all(h, max, ret_data, ret_n);

	CloseHandle(h);
	return why;
}

/* ---- writing ---- */

static int write_all(HANDLE h, const char *p, size_t n)
{
	while (n) {
		DWORD put = 0;

		if (!WriteFile(h, p, n > INT32_MAX ? INT32_MAX : (DWORD)n, &put, NULL))
			return ud_windows_errno();
		p += put;
		n -= put;
	}
	return FlushFileBuffers(h) ? 0 : ud_windows_errno();
}

/* A new file; one that others may not read has a list of its own of who may. */
static int make_file(const wchar_t *path, unsigned mode, HANDLE *ret)
{
	SECURITY_ATTRIBUTES own = { 0 };
	bool closed = (mode & 077) == 0;

	if (closed && !ud_private_to_owner(&own))
		return ud_windows_errno();
	HANDLE h = CreateFileW(path, GENERIC_WRITE, 0, closed ? &own : NULL, CREATE_NEW,
		FILE_ATTRIBUTE_NORMAL, NULL);
	int why = h == INVALID_HANDLE_VALUE ? ud_windows_errno() : 0;

	LocalFree(own.lpSecurityDescriptor);
	*ret = h;
	return why;
}

static int replace(const wchar_t *from, const wchar_t *to)
{
	for (int tries = 1;; tries++) {
		if (MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
			return 0;
		int why = ud_windows_errno();

		if (why != EACCES || tries == REPLACE_TRIES)
			return why;
		SleepEx(REPLACE_MS, FALSE);
	}
}

static int write_beside(
	const wchar_t *part, const wchar_t *path, const void *data, size_t n, unsigned mode)
{
	HANDLE h;

	/* what a crash left there may be open to others: its rights would stay */
	DeleteFileW(part);
	int why = make_file(part, mode, &h);

	if (why)
		return why;
	why = write_all(h, data, n);
	CloseHandle(h);
	if (why == 0)
		why = replace(part, path);
	if (why != 0)
		DeleteFileW(part);
	return why;
}

static int real_write(const char *path, const void *data, size_t n, unsigned mode)
{
	char beside[4096];

	if (snprintf(beside, sizeof(beside), "%s.part", path) >= (int)sizeof(beside))
		return ENAMETOOLONG;
	wchar_t *part = ud_wide(beside), *wide = ud_wide(path);
	int why = write_beside(part, wide, data, n, mode);

	ud_free(part);
	ud_free(wide);
	return why;
}

static int real_make_folder(const char *path, unsigned mode)
{
	SECURITY_ATTRIBUTES own = { 0 };
	bool closed = (mode & 077) == 0;

	if (closed && !ud_private_to_owner(&own))
		return ud_windows_errno();
	wchar_t *wide = ud_wide(path);
	int why = CreateDirectoryW(wide, closed ? &own : NULL) ? 0 : ud_windows_errno();

	ud_free(wide);
	LocalFree(own.lpSecurityDescriptor);
	return why;
}

static int real_remove(const char *path)
{
	wchar_t *wide = ud_wide(path);
	int why = DeleteFileW(wide) ? 0 : ud_windows_errno();

	ud_free(wide);
	return why;
}

/* ---- folders ---- */

struct names {
	char **all;
	size_t n, room;
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_name(struct names *names, const wchar_t *name)
{
	if (wcscmp(name, L".") == 0 || wcscmp(name, L"..") == 0)
		return;
	if (names->n == names->room) {
		names->room = names->room ? 2 * names->room : 64;
		names->all = ud_realloc(names->all, names->room * sizeof(*names->all));
	}
	names->all[names->n++] = ud_narrow(name);
}

static int read_names(const char *folder, struct names *names)
{
	char pattern[4096];
	WIN32_FIND_DATAW found;

	if (snprintf(pattern, sizeof(pattern), "%s/*", folder) >= (int)sizeof(pattern))
		return ENAMETOOLONG;
	wchar_t *wide = ud_wide(pattern);
	HANDLE h = FindFirstFileW(wide, &found);

	ud_free(wide);
	if (h == INVALID_HANDLE_VALUE)
		return ud_windows_errno();
	do {
		add_name(names, found.cFileName);
	} while (FindNextFileW(h, &found));
	int why = GetLastError() == ERROR_NO_MORE_FILES ? 0 : ud_windows_errno();

	FindClose(h);
	return why;
}

static int real_list(const char *folder, void (*each)(void *data, const char *name), void *data)
{
	struct names names = { 0 };
	int why = read_names(folder, &names);

	if (names.n)
		qsort(names.all, names.n, sizeof(*names.all), by_bytes);
	for (size_t i = 0; i < names.n; i++) {
		if (why == 0)
			each(data, names.all[i]);
		ud_free(names.all[i]);
	}
	ud_free(names.all);
	return why;
}

const struct ud_files ud_files_real = { .read = real_read,
	.write = real_write,
	.make_folder = real_make_folder,
	.remove = real_remove,
	.list = real_list };
