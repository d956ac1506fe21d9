/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's end of the guard's pipe.
 */
#include "agent/guard/line.h"

#include <windows.h>

#include <errno.h>

#include "agent/guard/guard.h"
#include "agent/guard/pipe.h"
#include "base/service.h"
#include "base/wide.h"

enum { SEND_MS = 2000 };

static HANDLE of(int line)
{
	return (HANDLE)(intptr_t)line;
}

int ud_guard_connect(const char *dir)
{
	char name[UD_GUARD_PIPE_NAME];
	DWORD mode = PIPE_READMODE_MESSAGE;

	errno = ENOENT;
	if (!ud_guard_pipe_name(dir, name))
		return -1;
	wchar_t *wide = ud_wide(name);
	/* whoever answers may learn who we are, and may not act as us */
	HANDLE h = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
		FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);

	errno = ud_windows_errno();
	ud_free(wide);
	if (h == INVALID_HANDLE_VALUE)
		return -1;
	SetNamedPipeHandleState(h, &mode, NULL, NULL);
	return (int)(intptr_t)h;
}

void ud_guard_hang_up(int line)
{
	CloseHandle(of(line));
}

/* The end of what was begun, or of our patience. */
static bool finish(int line, bool begun, OVERLAPPED *o, DWORD n, DWORD timeout_ms)
{
	DWORD moved = 0;
	bool under_way = begun || GetLastError() == ERROR_IO_PENDING;

	if (under_way && WaitForSingleObject(o->hEvent, timeout_ms) != WAIT_OBJECT_0)
		CancelIoEx(of(line), o);
	bool fine = under_way && GetOverlappedResult(of(line), o, &moved, TRUE) && moved == n;

	CloseHandle(o->hEvent);
	return fine;
}

bool ud_guard_send(int line, const struct ud_guard_request *rq, int process)
{
	OVERLAPPED o = { .hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };
	struct ud_guard_request with = *rq;

	with.process = process;
	return finish(line, WriteFile(of(line), &with, sizeof(with), NULL, &o), &o, sizeof(with),
		SEND_MS);
}

bool ud_guard_take(int line, struct ud_guard_reply *ret, int timeout_ms)
{
	OVERLAPPED o = { .hEvent = CreateEventW(NULL, TRUE, FALSE, NULL) };

	return finish(line, ReadFile(of(line), ret, sizeof(*ret), NULL, &o), &o, sizeof(*ret),
		(DWORD)timeout_ms);
}

/* A process of its own, out of reach of what ends us. */
static enum ud_code spawn(struct ud_ctx *cx, const struct ud_guard_place *place)
{
	enum { APART = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP };
	const char *const argv[] = { place->program, "--dir", place->dir, NULL };
	wchar_t *program = ud_wide(place->program), *line = ud_command_line(argv);
	STARTUPINFOW how = { .cb = sizeof(how) };
	PROCESS_INFORMATION started = { 0 };
	bool fine = CreateProcessW(program, line, NULL, NULL, FALSE,
			    APART | CREATE_BREAKAWAY_FROM_JOB, NULL, NULL, &how, &started) ||
		CreateProcessW(program, line, NULL, NULL, FALSE, APART, NULL, NULL, &how, &started);
	unsigned long e = GetLastError();

	ud_free(program);
	ud_free(line);
	if (!fine)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"the lease guard %s does not start: error %lu", place->program, e);
	CloseHandle(started.hProcess);
	CloseHandle(started.hThread);
	return UD_OK;
}

enum ud_code ud_guard_launch(struct ud_ctx *cx, const struct ud_guard_place *place)
{
	const char *const argv[] = { place->program, "--service", "--dir", place->dir, NULL };

	if (ud_service_start(cx, UD_GUARD_SERVICE, argv) == UD_OK)
		return UD_OK;
	ud_ctx_clear(cx);
	return spawn(cx, place);
}

void ud_guard_rest(int ms)
{
	SleepEx((DWORD)ms, FALSE);
}
