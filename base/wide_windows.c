/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversions, errors and access rights of Windows.
 */
#include "base/wide.h"

#include <windows.h>

#include <errno.h>
#include <sddl.h>

#include "base/buf.h"

wchar_t *ud_wide(const char *text)
{
	int n = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
	wchar_t *wide = ud_malloc((size_t)n * sizeof(*wide));

	MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, n);
	return wide;
}

char *ud_narrow(const wchar_t *text)
{
	int n = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
	char *narrow = ud_malloc((size_t)n);

	WideCharToMultiByte(CP_UTF8, 0, text, -1, narrow, n, NULL, NULL);
	return narrow;
}

static const struct {
	DWORD theirs;
	int ours;
} errors[] = {
	{ ERROR_SUCCESS, 0 },
	{ ERROR_FILE_NOT_FOUND, ENOENT },
	{ ERROR_PATH_NOT_FOUND, ENOENT },
	{ ERROR_INVALID_NAME, ENOENT },
	{ ERROR_BAD_EXE_FORMAT, ENOEXEC },
	{ ERROR_ACCESS_DENIED, EACCES },
	{ ERROR_SHARING_VIOLATION, EACCES },
	{ ERROR_ALREADY_EXISTS, EEXIST },
	{ ERROR_FILE_EXISTS, EEXIST },
	{ ERROR_DISK_FULL, ENOSPC },
	{ ERROR_HANDLE_DISK_FULL, ENOSPC },
	{ ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG },
	{ ERROR_INVALID_HANDLE, EBADF },
	{ ERROR_NOT_ENOUGH_MEMORY, ENOMEM },
	{ ERROR_TOO_MANY_OPEN_FILES, EMFILE },
	{ ERROR_DIR_NOT_EMPTY, ENOTEMPTY },
	{ ERROR_DIRECTORY, ENOTDIR },
	{ ERROR_BROKEN_PIPE, EPIPE },
	{ ERROR_NO_DATA, EPIPE },
	{ ERROR_INVALID_PARAMETER, EINVAL },
	{ ERROR_WRITE_PROTECT, EROFS },
};

int ud_windows_errno(void)
{
	DWORD last = GetLastError();

	for (size_t i = 0; i < UD_LEN(errors); i++)
		if (errors[i].theirs == last)
			return errors[i].ours;
	return EIO;
}

bool ud_private_to_owner(struct _SECURITY_ATTRIBUTES *ret)
{
	*ret = (SECURITY_ATTRIBUTES){ .nLength = sizeof(*ret) };
	/* protected: nothing is inherited from the folder above */
	return ConvertStringSecurityDescriptorToSecurityDescriptorW(
		L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)", SDDL_REVISION_1,
		&ret->lpSecurityDescriptor, NULL);
}

/* One argument, so that the program's own taking apart of the line gives it back as it is: a
 * backslash counts only before a quote. */
static void add_argument(struct ud_buf *b, const char *text)
{
	size_t slashes = 0;

	if (b->len)
		ud_buf_putc(b, ' ');
	ud_buf_putc(b, '"');
	for (; *text; text++) {
		if (*text == '"')
			for (slashes++; slashes; slashes--)
				ud_buf_putc(b, '\\');
		slashes = *text == '\\' ? slashes + 1 : 0;
		ud_buf_putc(b, *text);
	}
	for (; slashes; slashes--)
		ud_buf_putc(b, '\\');
	ud_buf_putc(b, '"');
}

wchar_t *ud_command_line(const char *const *argv)
{
	struct ud_buf b = { 0 };

	for (; *argv; argv++)
		add_argument(&b, *argv);
	wchar_t *line = ud_wide(ud_buf_text(&b));

	ud_buf_free(&b);
	return line;
}
