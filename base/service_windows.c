/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service control manager.
 */
#include "base/service.h"

#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/wide.h"

enum { LOOK_MS = 100, STOP_MS = 60000, LOG_MAX = 10 << 20, PENDING_MS = 3600000 };

static enum ud_code failed(struct ud_ctx *cx, const char *what, const char *name)
{
	DWORD e = GetLastError();

	if (e == ERROR_SERVICE_DOES_NOT_EXIST)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no service %s", name);
	if (e == ERROR_SERVICE_EXISTS)
		return ud_fail(
			cx, UD_E_ALREADY_EXISTS, NULL, "there is a service %s already", name);
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot %s the service %s: error %lu%s", what,
		name, e, e == ERROR_ACCESS_DENIED ? " (an administrator can)" : "");
}

/* ---- putting in and taking out ---- */

/* It comes again 5, 30 and 60 s after it died; a day without a death forgets those before. */
static void be_lasting(SC_HANDLE service, const char *about)
{
	SC_ACTION again[] = { { SC_ACTION_RESTART, 5000 }, { SC_ACTION_RESTART, 30000 },
		{ SC_ACTION_RESTART, 60000 } };
	SERVICE_FAILURE_ACTIONSW actions = {
		.dwResetPeriod = 86400, .cActions = UD_LEN(again), .lpsaActions = again
	};
	SERVICE_FAILURE_ACTIONS_FLAG also_errors = { TRUE };
	wchar_t *text = ud_wide(about);
	SERVICE_DESCRIPTIONW description = { text };

	ChangeServiceConfig2W(service, SERVICE_CONFIG_DESCRIPTION, &description);
	ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS, &actions);
	ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &also_errors);
	ud_free(text);
}

static enum ud_code create(struct ud_ctx *cx, SC_HANDLE manager, const struct ud_service *s)
{
	wchar_t *name = ud_wide(s->name), *title = ud_wide(s->title);
	wchar_t *line = ud_command_line(s->argv);
	SC_HANDLE service = CreateServiceW(manager, name, title, SERVICE_ALL_ACCESS,
		SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, line, NULL,
		NULL, NULL, NULL, NULL);
	enum ud_code code = service ? UD_OK : failed(cx, "install", s->name);

	if (service) {
		be_lasting(service, s->about);
		CloseServiceHandle(service);
	}
	ud_free(name);
	ud_free(title);
	ud_free(line);
	return code;
}

enum ud_code ud_service_install(struct ud_ctx *cx, const struct ud_service *service)
{
	SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CREATE_SERVICE);

	if (!manager)
		return failed(cx, "install", service->name);
	enum ud_code code = create(cx, manager, service);

	CloseServiceHandle(manager);
	return code;
}

/* One that starts or stops just now takes no word: it is told once it can hear. */
static enum ud_code stop(struct ud_ctx *cx, SC_HANDLE service, const char *name)
{
	int64_t end = ud_mono_ms(cx->env) + STOP_MS;
	SERVICE_STATUS status = { 0 };

	while (QueryServiceStatus(service, &status) && status.dwCurrentState != SERVICE_STOPPED) {
		if (status.dwCurrentState == SERVICE_RUNNING &&
			!ControlService(service, SERVICE_CONTROL_STOP, &status) &&
			GetLastError() != ERROR_SERVICE_NOT_ACTIVE &&
			GetLastError() != ERROR_SERVICE_CANNOT_ACCEPT_CTRL)
			return failed(cx, "stop", name);
		if (ud_mono_ms(cx->env) > end)
			return ud_fail(
				cx, UD_E_NOT_IN_TIME, NULL, "the service %s does not stop", name);
		SleepEx(LOOK_MS, FALSE);
	}
	return UD_OK;
}

static enum ud_code remove_it(
	struct ud_ctx *cx, SC_HANDLE service, const char *name, const char *const *argv)
{
	(void)argv;
	UD_TRY(stop(cx, service, name));
	return DeleteService(service) ? UD_OK : failed(cx, "remove", name);
}

/* Was it put in with these arguments? */
static bool has_arguments(struct ud_ctx *cx, SC_HANDLE service, const char *const *argv)
{
	enum { MOST = 8192 }; /* more than Windows ever gives */
	QUERY_SERVICE_CONFIGW *config = ud_alloc(cx->arena, MOST);
	wchar_t *line = ud_command_line(argv);
	DWORD n = 0;
	bool same = QueryServiceConfigW(service, config, MOST, &n) &&
		wcscmp(config->lpBinaryPathName, line) == 0;

	ud_free(line);
	return same;
}

static enum ud_code start_it(
	struct ud_ctx *cx, SC_HANDLE service, const char *name, const char *const *argv)
{
	if (!has_arguments(cx, service, argv))
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "the service %s is another one", name);
	return StartServiceW(service, 0, NULL) || GetLastError() == ERROR_SERVICE_ALREADY_RUNNING
		? UD_OK
		: failed(cx, "start", name);
}

/* What is done with a service that is there. */
typedef enum ud_code service_act(
	struct ud_ctx *cx, SC_HANDLE service, const char *name, const char *const *argv);

static enum ud_code with(struct ud_ctx *cx, const char *name, DWORD rights, service_act *act,
	const char *const *argv)
{
	SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
	wchar_t *wide = ud_wide(name);
	SC_HANDLE service = manager ? OpenServiceW(manager, wide, rights) : NULL;
	enum ud_code code = service ? act(cx, service, name, argv) : failed(cx, "open", name);

	ud_free(wide);
	if (service)
		CloseServiceHandle(service);
	if (manager)
		CloseServiceHandle(manager);
	return code;
}

enum ud_code ud_service_remove(struct ud_ctx *cx, const char *name)
{
	return with(cx, name, SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE, remove_it, NULL);
}

enum ud_code ud_service_start(struct ud_ctx *cx, const char *name, const char *const *argv)
{
	return with(cx, name, SERVICE_START | SERVICE_QUERY_CONFIG, start_it, argv);
}

/* ---- being one ---- */

/* Windows calls back without a word of who asked: a program is one service at most. */
static struct {
	wchar_t *name;
	ud_service_work *work;
	void *data;
	HANDLE stop;
	SERVICE_STATUS_HANDLE status;
} self;

static void report(DWORD state, int code)
{
	SERVICE_STATUS s = { .dwServiceType = SERVICE_WIN32_OWN_PROCESS,
		.dwCurrentState = state,
		.dwControlsAccepted = state == SERVICE_RUNNING
			? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN
			: 0,
		.dwWin32ExitCode = code ? ERROR_SERVICE_SPECIFIC_ERROR : NO_ERROR,
		.dwServiceSpecificExitCode = (DWORD)code,
		.dwWaitHint = state == SERVICE_STOP_PENDING ? PENDING_MS : 0 };

	SetServiceStatus(self.status, &s);
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *event, void *data)
{
	(void)type, (void)event, (void)data;
	if (control == SERVICE_CONTROL_INTERROGATE)
		return NO_ERROR;
	if (control != SERVICE_CONTROL_STOP && control != SERVICE_CONTROL_SHUTDOWN)
		return ERROR_CALL_NOT_IMPLEMENTED;
	report(SERVICE_STOP_PENDING, 0);
	SetEvent(self.stop);
	return NO_ERROR;
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
	(void)argc, (void)argv;
	self.status = RegisterServiceCtrlHandlerExW(self.name, on_control, NULL);
	if (!self.status)
		return;
	report(SERVICE_RUNNING, 0);
	report(SERVICE_STOPPED, self.work(self.data, self.stop));
}

enum ud_code ud_service_be(struct ud_ctx *cx, const char *name, ud_service_work *work, void *data)
{
	wchar_t *wide = ud_wide(name);
	const SERVICE_TABLE_ENTRYW table[] = { { wide, service_main }, { NULL, NULL } };

	self.name = wide;
	self.work = work;
	self.data = data;
	self.stop = CreateEventW(NULL, TRUE, FALSE, NULL);
	bool fine = StartServiceCtrlDispatcherW(table);

	CloseHandle(self.stop);
	ud_free(wide);
	return fine
		? UD_OK
		: ud_fail(cx, UD_E_INVALID_STATE, NULL, "Windows did not start this as a service");
}

enum ud_code ud_service_log(struct ud_ctx *cx, const char *path)
{
	wchar_t *wide = ud_wide(path), *aside = ud_wide(ud_printf(cx->arena, "%s.1", path));
	WIN32_FILE_ATTRIBUTE_DATA now = { 0 };

	if (GetFileAttributesExW(wide, GetFileExInfoStandard, &now) &&
		(now.nFileSizeHigh || now.nFileSizeLow > LOG_MAX))
		MoveFileExW(wide, aside, MOVEFILE_REPLACE_EXISTING);
	int fd = _wopen(wide, _O_WRONLY | _O_CREAT | _O_APPEND | _O_BINARY | _O_NOINHERIT,
		_S_IREAD | _S_IWRITE);
	bool fine = fd >= 0 && _dup2(fd, 2) == 0;

	if (fd > 2)
		_close(fd);
	ud_free(wide);
	ud_free(aside);
	return fine ? UD_OK : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s cannot be written", path);
}

/* ---- no service ---- */

static BOOL WINAPI on_console(DWORD what)
{
	(void)what;
	SetEvent(self.stop);
	return TRUE;
}

void *ud_console_stop(void)
{
	self.stop = CreateEventW(NULL, TRUE, FALSE, NULL);
	SetConsoleCtrlHandler(on_console, TRUE);
	return self.stop;
}
