/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy-guard --dir DIR [--foreground | --service]: end VMs' processes whose lease is over,
 * whatever has become of the agent. A second guard of a folder ends at once, with success. Neither
 * at a console nor as a service it lives until there is nothing to guard and nobody is connected.
 */
#include <windows.h>

#include <shellapi.h>
#include <stdio.h>
#include <string.h>

#include "agent/guard/guard.h"
#include "agent/guard/pipe.h"
#include "base/env.h"
#include "base/log.h"
#include "base/service.h"
#include "base/wide.h"

struct guarding {
	const char *dir;
	bool foreground, service;
};

static void ready(void *data)
{
	(void)data;
	ud_log(UD_LOG_INFO, "guarding", "version", UD_VERSION, NULL);
}

static enum ud_code guard(struct ud_ctx *cx, const struct guarding *what, void *stop)
{
	const char *log = ud_printf(cx->arena, "%s/%s", what->dir, UD_GUARD_LOG);

	/* late is as bad as not at all */
	SetPriorityClass(GetCurrentProcess(), HIGH_PRIORITY_CLASS);
	if (!what->foreground)
		UD_TRY(ud_service_log(cx, log));
	enum ud_code code = ud_guard_serve_pipe(
		cx, what->dir, stop, !what->foreground && !what->service, ready, NULL);

	if (code == UD_E_CONFLICT && !what->service)
		return UD_OK;
	return code;
}

static int work(void *data, void *stop)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena,
		.env = &ud_env_real,
		.now_ms = ud_now_ms(&ud_env_real),
		.request_id = "guard" };

	if (guard(&cx, data, stop) == UD_OK)
		return 0;
	fprintf(stderr, "understudy-guard: %s\n", cx.problem.detail);
	return 1;
}

static int usage(void)
{
	fputs("usage: understudy-guard --dir DIR [--foreground | --service]\n", stderr);
	return 2;
}

static int run(struct ud_ctx *cx, struct guarding *what)
{
	if (!what->service)
		return work(what, ud_console_stop());
	if (ud_service_be(cx, UD_GUARD_SERVICE, work, what) == UD_OK)
		return 0;
	fprintf(stderr, "understudy-guard: %s\n", cx->problem.detail);
	return 1;
}

int main(void)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real, .request_id = "guard" };
	struct guarding what = { 0 };
	int n = 0;
	wchar_t **argv = CommandLineToArgvW(GetCommandLineW(), &n);

	for (int i = 1; i < n; i++) {
		if (wcscmp(argv[i], L"--foreground") == 0)
			what.foreground = true;
		else if (wcscmp(argv[i], L"--service") == 0)
			what.service = true;
		else if (wcscmp(argv[i], L"--dir") == 0 && i + 1 < n)
			what.dir = ud_narrow(argv[++i]);
		else
			return usage();
	}
	return what.dir ? run(&cx, &what) : usage();
}
