/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other program of the tests on Windows: it does what its first word says.
 *   args …       its arguments, one a line, in UTF-8       env         its environment
 *   cat          copy input to output                      flood N     write N bytes to both
 * outputs exit N       end with this status                      hang        wait for ever hold
 * NAME    the same, with a mutex of this name       tree NAME   start one that holds, and hang
 *   handle H     is this number a handle here?
 */
#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
#include <stdio.h>
#include <string.h>

#include "base/wide.h"

static int hang(void)
{
	SleepEx(INFINITE, FALSE);
	return 0;
}

static int cat(void)
{
	char piece[4096];

	for (int got; (got = _read(0, piece, sizeof(piece))) > 0;)
		if (_write(1, piece, (unsigned)got) != got)
			return 1;
	return 0;
}

static int flood(long n)
{
	for (; n > 0; n--) {
		putchar('o');
		putc('e', stderr);
	}
	return 0;
}

static int hold(const char *name)
{
	if (!CreateMutexA(NULL, TRUE, name))
		return 1;
	puts("holding");
	fflush(stdout);
	return hang();
}

static int tree(const wchar_t *own, const wchar_t *name)
{
	STARTUPINFOW how = { .cb = sizeof(how) };
	PROCESS_INFORMATION started;
	wchar_t line[512];

	_snwprintf(line, UD_LEN(line), L"child hold %ls", name);
	if (!CreateProcessW(own, line, NULL, NULL, TRUE, 0, NULL, NULL, &how, &started))
		return 1;
	return hang();
}

static int environment(void)
{
	wchar_t *block = GetEnvironmentStringsW();

	for (wchar_t *at = block; *at; at += wcslen(at) + 1) {
		char *text = ud_narrow(at);

		puts(text);
		ud_free(text);
	}
	return 0;
}

static int handle(const char *number)
{
	DWORD flags;

	puts(GetHandleInformation((HANDLE)(intptr_t)strtol(number, NULL, 10), &flags) ? "yes"
										      : "no");
	return 0;
}

int main(void)
{
	int n = 0;
	wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &n), own[MAX_PATH];
	char *what = ud_narrow(n > 1 ? wide[1] : L""), *first = ud_narrow(n > 2 ? wide[2] : L"");

	for (int fd = 0; fd < 3; fd++)
		_setmode(fd, _O_BINARY);
	GetModuleFileNameW(NULL, own, UD_LEN(own));
	if (strcmp(what, "args") == 0)
		for (int i = 2; i < n; i++)
			printf("%s\n", ud_narrow(wide[i]));
	else if (strcmp(what, "env") == 0)
		return environment();
	else if (strcmp(what, "cat") == 0)
		return cat();
	else if (strcmp(what, "flood") == 0)
		return flood(strtol(first, NULL, 10));
	else if (strcmp(what, "exit") == 0)
		return (int)strtol(first, NULL, 10);
	else if (strcmp(what, "hang") == 0)
		return hang();
	else if (strcmp(what, "hold") == 0)
		return hold(first);
	else if (strcmp(what, "tree") == 0)
		return tree(own, n > 2 ? wide[2] : L"");
	else if (strcmp(what, "handle") == 0)
		return handle(first);
	return 0;
}
