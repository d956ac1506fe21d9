/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread, a few instances of one pipe, one wait for all of them. Processes that end by
 * themselves are looked for every second: there may be more of them than a wait takes. The end of a
 * lease is never early, and late by the clock's step of 16 ms at most.
 */
#include <windows.h>

#include <stdio.h>
#include <string.h>

#include "agent/guard/guard.h"
#include "agent/guard/pipe.h"
#include "agent/guard/table.h"
#include "base/env.h"
#include "base/log.h"
#include "base/wide.h"

enum { CALLERS = 8, SWEEP_MS = 1000, IDLE_MS = 5000, PIPE_BYTES = 4096, REPLY_MS = 1000 };

/* One instance of the pipe. Its event is set when somebody has come, or has asked something. */
struct caller {
	HANDLE pipe;
	OVERLAPPED o;
	bool here; /* connected: a read is under way */
	struct ud_guard_request rq;
};

struct guard {
	const struct ud_env *env;
	HANDLE lock, stop;
	struct caller callers[CALLERS];
	struct ud_guard_table table;
	bool ending;
};

/* ---- the folder ---- */

/* A file that others may read while we have it open, and nobody may write. */
static HANDLE take_lock(const char *dir)
{
	char path[4096];
	SECURITY_ATTRIBUTES own;

	if (snprintf(path, sizeof(path), "%s/%s", dir, UD_GUARD_LOCK) >= (int)sizeof(path) ||
		!ud_private_to_owner(&own))
		return INVALID_HANDLE_VALUE;
	wchar_t *wide = ud_wide(path);
	HANDLE h = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, &own,
		CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
	DWORD e = GetLastError();

	ud_free(wide);
	LocalFree(own.lpSecurityDescriptor);
	SetLastError(e);
	return h;
}

/* Who we are, for people and tests, and where to ask. */
static void sign(struct guard *g, char name[UD_GUARD_PIPE_NAME])
{
	unsigned char chance[16];
	char hex[33], text[UD_GUARD_PIPE_NAME + 16];
	DWORD put;

	ud_random(g->env, chance, sizeof(chance));
	for (size_t i = 0; i < sizeof(chance); i++)
		snprintf(hex + 2 * i, 3, "%02x", chance[i]);
	snprintf(name, UD_GUARD_PIPE_NAME, "\\\\.\\pipe\\understudy-guard-%s", hex);
	int n = snprintf(text, sizeof(text), "%lu\n%s\n", GetCurrentProcessId(), name);

	WriteFile(g->lock, text, (DWORD)n, &put, NULL);
}

bool ud_guard_pipe_name(const char *dir, char ret[UD_GUARD_PIPE_NAME])
{
	char path[4096], text[UD_GUARD_PIPE_NAME + 16] = "";
	DWORD n = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, UD_GUARD_LOCK);
	wchar_t *wide = ud_wide(path);
	HANDLE h = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
		OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);

	ud_free(wide);
	if (h == INVALID_HANDLE_VALUE)
		return false;
	bool read = ReadFile(h, text, sizeof(text) - 1, &n, NULL);

	CloseHandle(h);
	char *name = read ? strchr(text, '\n') : NULL;

	if (!name || !strchr(name + 1, '\n'))
		return false;
	snprintf(ret, UD_GUARD_PIPE_NAME, "%.*s", (int)strcspn(name + 1, "\n"), name + 1);
	return true;
}

/* ---- callers ---- */

/* Wait for whoever comes next. */
static void await(struct caller *c)
{
	c->here = false;
	ResetEvent(c->o.hEvent);
	if (ConnectNamedPipe(c->pipe, &c->o) || GetLastError() == ERROR_PIPE_CONNECTED)
		SetEvent(c->o.hEvent);
}

static void hang_up(struct caller *c)
{
	CancelIo(c->pipe);
	DisconnectNamedPipe(c->pipe);
	await(c);
}

/* Wait for the next request. */
static void listen_to(struct caller *c)
{
	ResetEvent(c->o.hEvent);
	if (!ReadFile(c->pipe, &c->rq, sizeof(c->rq), NULL, &c->o) &&
		GetLastError() != ERROR_IO_PENDING)
		hang_up(c);
}

/* The process that came along: the caller's handle, copied; -1 = none came, or none of its. */
static int copy_process(struct caller *c)
{
	enum { RIGHTS = PROCESS_TERMINATE | SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION };
	HANDLE from, ret = NULL;
	ULONG pid = 0;

	if (c->rq.process < 0 || !GetNamedPipeClientProcessId(c->pipe, &pid))
		return -1;
	from = OpenProcess(PROCESS_DUP_HANDLE, FALSE, pid);
	if (!from)
		return -1;
	if (!DuplicateHandle(from, (HANDLE)(intptr_t)c->rq.process, GetCurrentProcess(), &ret,
		    RIGHTS, FALSE, 0))
		ret = NULL;
	CloseHandle(from);
	return ret ? (int)(intptr_t)ret : -1;
}

static bool reply_to(struct caller *c, const struct ud_guard_reply *reply)
{
	DWORD put = 0;

	ResetEvent(c->o.hEvent);
	if (!WriteFile(c->pipe, reply, sizeof(*reply), NULL, &c->o) &&
		GetLastError() != ERROR_IO_PENDING)
		return false;
	/* the pipe has room for it, unless the caller takes none of them */
	if (WaitForSingleObject(c->o.hEvent, REPLY_MS) != WAIT_OBJECT_0)
		CancelIo(c->pipe);
	return GetOverlappedResult(c->pipe, &c->o, &put, TRUE) && put == sizeof(*reply);
}

static void answer(struct guard *g, struct caller *c)
{
	struct ud_guard_reply reply;
	struct ud_guard_entry *added;

	ud_guard_table_do(&g->table, &c->rq, copy_process(c), ud_mono_ms(g->env), &reply, &added);
	if (reply_to(c, &reply))
		listen_to(c);
	else
		hang_up(c);
}

static void on_caller(struct guard *g, struct caller *c)
{
	DWORD n = 0;
	bool done = GetOverlappedResult(c->pipe, &c->o, &n, FALSE);

	if (!c->here) {
		c->here = true;
		listen_to(c);
	} else if (done && n == sizeof(c->rq)) {
		answer(g, c);
	} else {
		hang_up(c);
	}
}

static bool open_pipes(struct guard *g, const char *name)
{
	SECURITY_ATTRIBUTES own;
	wchar_t *wide = ud_wide(name);
	bool fine = ud_private_to_owner(&own);

	for (size_t i = 0; fine && i < CALLERS; i++) {
		struct caller *c = &g->callers[i];

		c->pipe = CreateNamedPipeW(wide,
			PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED |
				(i ? 0 : FILE_FLAG_FIRST_PIPE_INSTANCE),
			PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_REJECT_REMOTE_CLIENTS,
			CALLERS, PIPE_BYTES, PIPE_BYTES, 0, &own);
		c->o.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
		fine = c->pipe != INVALID_HANDLE_VALUE && c->o.hEvent;
		if (fine)
			await(c);
	}
	ud_free(wide);
	LocalFree(own.lpSecurityDescriptor);
	return fine;
}

static void close_pipes(struct guard *g)
{
	for (size_t i = 0; i < CALLERS; i++) {
		struct caller *c = &g->callers[i];

		if (c->pipe && c->pipe != INVALID_HANDLE_VALUE) {
			CancelIo(c->pipe);
			CloseHandle(c->pipe);
		}
		if (c->o.hEvent)
			CloseHandle(c->o.hEvent);
	}
}

/* ---- all ---- */

static bool is_idle(const struct guard *g)
{
	for (size_t i = 0; i < CALLERS; i++)
		if (g->callers[i].here)
			return false;
	return g->table.count == 0;
}

/* Until the next end of a lease, the next look at the processes, or for ever. */
static DWORD patience(const struct guard *g, bool end_idle)
{
	int64_t next = ud_guard_table_next(&g->table), left = next - ud_mono_ms(g->env);

	if (!g->table.count)
		return end_idle && is_idle(g) ? IDLE_MS : INFINITE;
	if (!next || left > SWEEP_MS)
		return SWEEP_MS;
	return left > 0 ? (DWORD)left : 0;
}

static void look(struct guard *g)
{
	uint32_t killed = 0;
	char text[16];

	ud_guard_table_sweep(&g->table);
	ud_guard_table_expire(&g->table, ud_mono_ms(g->env), &killed);
	if (!killed)
		return;
	snprintf(text, sizeof(text), "%u", killed);
	ud_log(UD_LOG_WARNING, "lease_ended", "killed", text, NULL);
}

static void serve(struct guard *g, bool end_idle)
{
	HANDLE events[CALLERS + 1];
	DWORD n = 0;

	for (; n < CALLERS; n++)
		events[n] = g->callers[n].o.hEvent;
	events[n++] = g->stop;
	while (!g->ending || ud_guard_table_armed(&g->table)) {
		/* once it is set, the stop would end every wait at once */
		DWORD got = WaitForMultipleObjects(
			g->ending ? n - 1 : n, events, FALSE, patience(g, end_idle));

		if (got < WAIT_OBJECT_0 + CALLERS)
			on_caller(g, &g->callers[got - WAIT_OBJECT_0]);
		else if (got == WAIT_OBJECT_0 + CALLERS)
			g->ending = true;
		else if (got == WAIT_TIMEOUT && end_idle && is_idle(g))
			break;
		look(g);
	}
}

enum ud_code ud_guard_serve_pipe(struct ud_ctx *cx, const char *dir, void *stop, bool end_idle,
	void (*ready)(void *data), void *data)
{
	struct guard *g = ud_malloc(sizeof(*g));
	char name[UD_GUARD_PIPE_NAME];
	enum ud_code code = UD_OK;

	*g = (struct guard){ .env = cx->env, .stop = stop };
	ud_guard_table_init(&g->table);
	g->lock = take_lock(dir);
	if (g->lock == INVALID_HANDLE_VALUE) {
		code = GetLastError() == ERROR_SHARING_VIOLATION
			? ud_fail(cx, UD_E_CONFLICT, NULL, "another guard has %s", dir)
			: ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s cannot be written", dir);
	} else {
		sign(g, name);
		if (open_pipes(g, name)) {
			ready(data);
			serve(g, end_idle);
		} else {
			code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot make a pipe");
		}
		close_pipes(g);
		CloseHandle(g->lock);
	}
	ud_free(g);
	return code;
}
