/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy-agent on Windows: run at a console, or as a service, which this program also puts in
 * and takes out together with that of the lease guard.
 */
#include <windows.h>

#include <shellapi.h>
#include <stdio.h>
#include <string.h>

#include "agent/guard/guard.h"
#include "agent/main.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/service.h"
#include "base/wide.h"

#define SERVICE_NAME "understudy-agent"

void ud_system_arguments(struct ud_ctx *cx, int *argc, char ***argv)
{
	int n = 0;
	wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &n);
	char **texts = ud_alloc(cx->arena, ((size_t)n + 1) * sizeof(*texts));

	for (int i = 0; wide && i < n; i++) {
		char *narrow = ud_narrow(wide[i]);

		texts[i] = ud_strdup(cx->arena, narrow);
		ud_free(narrow);
	}
	LocalFree(wide);
	*argc = n;
	*argv = texts;
}

/* ---- running ---- */

static void wait_for_end(void *data)
{
	WaitForSingleObject(data, INFINITE);
}

static int command_run(struct ud_ctx *cx, int argc, char **argv)
{
	struct ud_agent_config config = { 0 };
	const char *path = NULL;
	const struct ud_command_flag flags[] = { { "--config", &path, true }, { 0 } };

	if (!ud_command_flags(argc, argv, flags))
		return 2;
	if (ud_agent_config_load(cx, path, &config) != UD_OK ||
		ud_command_serve(cx, &config, wait_for_end, ud_console_stop()) != UD_OK)
		return ud_command_failed(cx, "run");
	return 0;
}

/* ---- the service ---- */

/* On the thread that Windows gives a service: a context of its own. */
static int serve(void *data, void *stop)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena,
		.env = &ud_env_real,
		.now_ms = ud_now_ms(&ud_env_real),
		.request_id = "service" };
	struct ud_agent_config config = { 0 };

	if (ud_agent_config_load(&cx, data, &config) != UD_OK ||
		ud_service_log(&cx, ud_agent_path(&cx, &config, "agent.log")) != UD_OK)
		return ud_command_failed(&cx, "service");
	if (ud_command_serve(&cx, &config, wait_for_end, stop) == UD_OK)
		return 0;
	ud_log(UD_LOG_ERROR, "not_running", "reason", cx.problem.detail, NULL);
	return 1;
}

static enum ud_code whole_path(struct ud_ctx *cx, const char *path, const char **ret)
{
	enum { LONGEST = 32768 };
	wchar_t *wide = ud_wide(path), *whole = ud_alloc(cx->arena, LONGEST * sizeof(*whole));
	DWORD n = GetFullPathNameW(wide, LONGEST, whole, NULL);

	ud_free(wide);
	if (n == 0 || n >= LONGEST)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "%s is no path", path);
	char *narrow = ud_narrow(whole);

	*ret = ud_strdup(cx->arena, narrow);
	ud_free(narrow);
	return UD_OK;
}

/* Both or none. */
static enum ud_code install(struct ud_ctx *cx, const char *path)
{
	struct ud_agent_config config = { 0 };
	const char *own = NULL, *whole = NULL;

	UD_TRY(whole_path(cx, path, &whole));
	UD_TRY(ud_agent_config_load(cx, whole, &config));
	UD_TRY(ud_own_program(cx, &own));
	const char *guard =
		ud_printf(cx->arena, "%.*sunderstudy-guard.exe", (int)ud_path_head(own), own);
	const char *const agent_argv[] = { own, "service", "run", "--config", whole, NULL };
	const char *const guard_argv[] = { guard, "--service", "--dir", config.dir, NULL };
	const struct ud_service agent = { SERVICE_NAME, "Understudy agent",
		"Does on this host what the Understudy server asks: replication and failover of VMs.",
		agent_argv };
	const struct ud_service lease_guard = { UD_GUARD_SERVICE, "Understudy lease guard",
		"Ends a VM whose lease is over, whatever has become of the agent.", guard_argv };

	UD_TRY(ud_service_install(cx, &lease_guard));
	enum ud_code code = ud_service_install(cx, &agent);

	if (code != UD_OK) {
		struct ud_ctx other = *cx;

		(void)!ud_service_remove(&other, UD_GUARD_SERVICE);
	}
	return code;
}

static enum ud_code remove_both(struct ud_ctx *cx)
{
	enum ud_code code = ud_service_remove(cx, SERVICE_NAME);

	if (code != UD_OK && code != UD_E_NOT_FOUND)
		return code;
	enum ud_code guard = ud_service_remove(cx, UD_GUARD_SERVICE);

	return code == UD_OK && guard == UD_E_NOT_FOUND ? UD_OK : guard;
}

static int command_service(struct ud_ctx *cx, int argc, char **argv)
{
	const char *what = argc ? argv[0] : "", *path = NULL;
	bool removes = strcmp(what, "remove") == 0, installs = strcmp(what, "install") == 0;
	const struct ud_command_flag flags[] = { { "--config", &path, !removes }, { 0 } };
	enum ud_code code;

	if (!removes && !installs && strcmp(what, "run") != 0) {
		fprintf(stderr, "understudy-agent: service install, remove or run\n");
		return 2;
	}
	if (!ud_command_flags(argc - 1, argv + 1, flags))
		return 2;
	if (removes)
		code = remove_both(cx);
	else
		code = installs ? install(cx, path)
				: ud_service_be(cx, SERVICE_NAME, serve, (void *)(uintptr_t)path);
	if (code != UD_OK)
		return ud_command_failed(cx, "service");
	if (installs)
		printf("Installed the services %s and %s.\nStart them:  sc start %s\n",
			SERVICE_NAME, UD_GUARD_SERVICE, SERVICE_NAME);
	return 0;
}

const struct ud_command ud_system_commands[] = {
	{ "run", command_run, "run --config DIR\\agent.conf" },
	{ "service", command_service, "service install --config DIR\\agent.conf | service remove" },
	{ 0 },
};
