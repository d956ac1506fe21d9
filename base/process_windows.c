/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CreateProcessW into a job that ends with us. A program gets its three descriptors and no other
 * handle, and of our environment the few variables without which no Windows program starts.
 */
#include "base/process.h"

#include <windows.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <string.h>

#include "base/buf.h"
#include "base/wide.h"

enum { GRACE_MS = 5000, PIPE_BYTES = 65536, STARTED_MAX = 64, KILLED = 128 };

/* What Windows, and PowerShell on it, must have; copied when we have it. */
static const wchar_t *const inherited[] = { L"SystemRoot", L"SystemDrive", L"windir", L"ComSpec",
	L"TEMP", L"TMP", L"ProgramFiles", L"ProgramData", L"CommonProgramFiles", L"ALLUSERSPROFILE",
	L"USERPROFILE", L"APPDATA", L"LOCALAPPDATA", L"USERNAME", L"USERDOMAIN", L"COMPUTERNAME",
	L"NUMBER_OF_PROCESSORS", L"PROCESSOR_ARCHITECTURE" };

/* A number alone is not a hold of a process here: whoever started it keeps handles until it was
 * waited for. */
static struct {
	SRWLOCK lock;
	struct started {
		int pid; /* 0 = free */
		HANDLE process, job;
	} all[STARTED_MAX];
} running = { .lock = SRWLOCK_INIT };

static bool keep(int pid, HANDLE process, HANDLE job)
{
	bool kept = false;

	AcquireSRWLockExclusive(&running.lock);
	for (size_t i = 0; !kept && i < UD_LEN(running.all); i++)
		if (!running.all[i].pid) {
			running.all[i] = (struct started){ pid, process, job };
			kept = true;
		}
	ReleaseSRWLockExclusive(&running.lock);
	return kept;
}

/* The started one of a number; take: it is the caller's from now on. */
static struct started find(int pid, bool take)
{
	struct started found = { 0 };

	AcquireSRWLockExclusive(&running.lock);
	for (size_t i = 0; i < UD_LEN(running.all); i++)
		if (pid && running.all[i].pid == pid) {
			found = running.all[i];
			if (take)
				running.all[i] = (struct started){ 0 };
			break;
		}
	ReleaseSRWLockExclusive(&running.lock);
	return found;
}

/* ---- the environment ---- */

static void add_wide(struct ud_buf *b, const wchar_t *text)
{
	ud_buf_add(b, text, wcslen(text) * sizeof(*text));
}

/* Texts that end in NUL, and one NUL more. */
static wchar_t *environment_block(const char *const *environment)
{
	struct ud_buf b = { 0 };

	for (size_t i = 0; i < UD_LEN(inherited); i++) {
		wchar_t value[1024];
		DWORD n = GetEnvironmentVariableW(inherited[i], value, UD_LEN(value));

		if (n == 0 || n >= UD_LEN(value))
			continue;
		add_wide(&b, inherited[i]);
		add_wide(&b, L"=");
		ud_buf_add(&b, value, (n + 1) * sizeof(*value));
	}
	for (; environment && *environment; environment++) {
		wchar_t *wide = ud_wide(*environment);

		ud_buf_add(&b, wide, (wcslen(wide) + 1) * sizeof(*wide));
		ud_free(wide);
	}
	ud_buf_add(&b, L"\0", 2 * sizeof(wchar_t));
	wchar_t *block = ud_malloc(b.len);

	memcpy(block, b.data, b.len);
	ud_buf_free(&b);
	return block;
}

/* ---- starting ---- */

/* What a descriptor of ours is for the program: a handle that it inherits. */
static HANDLE handed(int fd, bool input)
{
	SECURITY_ATTRIBUTES inherit = { .nLength = sizeof(inherit), .bInheritHandle = TRUE };
	HANDLE ret = NULL;

	if (fd < 0)
		return CreateFileW(L"NUL", input ? GENERIC_READ : GENERIC_WRITE,
			FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit, OPEN_EXISTING, 0, NULL);
	DuplicateHandle(GetCurrentProcess(), (HANDLE)_get_osfhandle(fd), GetCurrentProcess(), &ret,
		0, TRUE, DUPLICATE_SAME_ACCESS);
	return ret;
}

/* A job whose processes end when its last handle goes: with us, at the latest. */
static HANDLE make_job(void)
{
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
		.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	};
	HANDLE job = CreateJobObjectW(NULL, NULL);

	if (job)
		SetInformationJobObject(
			job, JobObjectExtendedLimitInformation, &limits, sizeof(limits));
	return job;
}

/* Nothing of the program has run before it is in its job. */
static int enter_job(const PROCESS_INFORMATION *started, int *ret_pid)
{
	HANDLE job = make_job();
	bool fine = job && AssignProcessToJobObject(job, started->hProcess) &&
		keep((int)started->dwProcessId, started->hProcess, job);

	if (fine) {
		ResumeThread(started->hThread);
		*ret_pid = (int)started->dwProcessId;
		return 0;
	}
	int why = job ? EAGAIN : ud_windows_errno();

	TerminateProcess(started->hProcess, KILLED);
	CloseHandle(started->hProcess);
	if (job)
		CloseHandle(job);
	return why;
}

static int create(const struct ud_program *p, STARTUPINFOEXW *how, int *ret_pid)
{
	wchar_t *line = ud_command_line(p->argv), *program = ud_wide(p->argv[0]);
	wchar_t *block = environment_block(p->environment);
	PROCESS_INFORMATION started = { 0 };
	/* the program's path is given, not looked for */
	int why = CreateProcessW(program, line, NULL, NULL, TRUE,
			  CREATE_SUSPENDED | CREATE_NO_WINDOW | CREATE_UNICODE_ENVIRONMENT |
				  EXTENDED_STARTUPINFO_PRESENT,
			  block, NULL, &how->StartupInfo, &started)
		? 0
		: ud_windows_errno();

	ud_free(line);
	ud_free(program);
	ud_free(block);
	if (why == 0) {
		why = enter_job(&started, ret_pid);
		CloseHandle(started.hThread);
	}
	return why;
}

static int real_start(const struct ud_program *p, int *ret_pid)
{
	HANDLE h[] = { handed(p->in, true), handed(p->out, false), handed(p->err, false) };
	_Alignas(16) char room[256];
	LPPROC_THREAD_ATTRIBUTE_LIST list = (LPPROC_THREAD_ATTRIBUTE_LIST)(void *)room;
	SIZE_T size = sizeof(room);
	STARTUPINFOEXW how = { .StartupInfo = { .cb = sizeof(how),
				       .dwFlags = STARTF_USESTDHANDLES,
				       .hStdInput = h[0],
				       .hStdOutput = h[1],
				       .hStdError = h[2] },
		.lpAttributeList = list };
	int why = EIO;

	if (InitializeProcThreadAttributeList(list, 1, 0, &size)) {
		UpdateProcThreadAttribute(
			list, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, h, sizeof(h), NULL, NULL);
		why = create(p, &how, ret_pid);
		DeleteProcThreadAttributeList(list);
	}
	for (size_t i = 0; i < UD_LEN(h); i++)
		if (h[i] && h[i] != INVALID_HANDLE_VALUE)
			CloseHandle(h[i]);
	return why;
}

static DWORD wait_time(int64_t timeout_ms)
{
	return (DWORD)(timeout_ms < 0 ? 0 : timeout_ms > INT32_MAX ? INT32_MAX : timeout_ms);
}

static int real_wait(int pid, int64_t timeout_ms, int *ret_status)
{
	struct started s = find(pid, false);
	DWORD code = 0;

	if (!s.pid)
		return ECHILD;
	if (WaitForSingleObject(s.process, wait_time(timeout_ms)) != WAIT_OBJECT_0)
		return ETIMEDOUT;
	GetExitCodeProcess(s.process, &code);
	s = find(pid, true);
	if (!s.pid)
		return ECHILD; /* another thread was faster */
	CloseHandle(s.process);
	CloseHandle(s.job); /* what it left behind ends here */
	*ret_status = (int)code;
	return 0;
}

static int real_kill(int pid, int signal)
{
	struct started s = find(pid, false);

	if (!s.pid)
		return ESRCH;
	return TerminateJobObject(s.job, (UINT)(KILLED + signal)) ? 0 : ud_windows_errno();
}

const struct ud_processes ud_processes_real = {
	.start = real_start, .wait = real_wait, .kill = real_kill
};

/* ---- running to the end ---- */

/* A pipe and the thread at our end of it. */
struct stream {
	int ours, theirs; /* -1 = closed */
	HANDLE thread;
	const char *input; /* n bytes that are still to be fed */
	struct ud_buf kept;
	size_t n, max;
	bool cut;
};

/* Until the program has all of it, or wants no more. */
static unsigned __stdcall feed(void *data)
{
	struct stream *s = data;

	while (s->n) {
		int put =
			_write(s->ours, s->input, s->n > PIPE_BYTES ? PIPE_BYTES : (unsigned)s->n);

		if (put <= 0)
			break;
		s->input += put;
		s->n -= (size_t)put;
	}
	_close(s->ours);
	s->ours = -1;
	return 0;
}

/* What is beyond the bound is thrown away, so that the program can go on. */
static unsigned __stdcall gather(void *data)
{
	struct stream *s = data;
	char piece[4096];

	for (int got; (got = _read(s->ours, piece, sizeof(piece))) > 0;) {
		size_t room = s->max - s->kept.len, fits = room < (size_t)got ? room : (size_t)got;

		ud_buf_add(&s->kept, piece, fits);
		s->cut |= fits < (size_t)got;
	}
	return 0;
}

/* in: the program reads from it. */
static bool open_stream(struct stream *s, bool in)
{
	int ends[2];

	if (_pipe(ends, PIPE_BYTES, _O_BINARY | _O_NOINHERIT) != 0)
		return false;
	s->theirs = ends[in ? 0 : 1];
	s->ours = ends[in ? 1 : 0];
	return true;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		_close(*fd);
	*fd = -1;
}

static bool begin(struct stream *s, unsigned(__stdcall *work)(void *))
{
	s->thread = (HANDLE)_beginthreadex(NULL, 0, work, s, 0, NULL);
	return s->thread != NULL;
}

/* Its thread has ended when this returns, whatever it hung at. */
static void end_stream(struct stream *s)
{
	close_end(&s->theirs);
	if (s->thread) {
		while (WaitForSingleObject(s->thread, GRACE_MS) != WAIT_OBJECT_0)
			CancelSynchronousIo(s->thread);
		CloseHandle(s->thread);
	}
	close_end(&s->ours);
}

/* Until both outputs are closed and it has ended; killed with all it started when that takes too
 * long. */
static int attend(struct ud_ctx *cx, struct stream s[3], int pid, int64_t timeout_ms, int *ret)
{
	const struct ud_processes *processes = cx->env->processes;
	int64_t end_ms = ud_mono_ms(cx->env) + timeout_ms;
	HANDLE outputs[] = { s[1].thread, s[2].thread };
	int why = ETIMEDOUT, status;

	if (WaitForMultipleObjects(2, outputs, TRUE, wait_time(timeout_ms)) != WAIT_TIMEOUT)
		why = processes->wait(pid, end_ms - ud_mono_ms(cx->env), ret);
	if (why) {
		processes->kill(pid, 9);
		processes->wait(pid, GRACE_MS, &status);
	}
	return why;
}

static int run_streams(struct ud_ctx *cx, const struct ud_run *run, struct stream s[3], int *ret)
{
	const struct ud_program program = { run->argv, run->environment, s[0].theirs, s[1].theirs,
		s[2].theirs };
	int pid = 0, status, why = cx->env->processes->start(&program, &pid);

	/* ours must be closed, or the program's end would not show */
	for (int i = 0; i < 3; i++)
		close_end(&s[i].theirs);
	if (why)
		return why;
	if (begin(&s[0], feed) && begin(&s[1], gather) && begin(&s[2], gather))
		return attend(cx, s, pid, run->timeout_ms, ret);
	cx->env->processes->kill(pid, 9);
	cx->env->processes->wait(pid, GRACE_MS, &status);
	return EAGAIN;
}

static const char *text_of(struct ud_ctx *cx, const struct stream *s)
{
	return ud_strndup(cx->arena, s->kept.data ? s->kept.data : "", s->kept.len);
}

enum ud_code ud_process_run(struct ud_ctx *cx, const struct ud_run *run, struct ud_ran *ret)
{
	struct stream s[3] = { { -1, -1, .input = run->input, .n = run->input_n },
		{ -1, -1, .max = run->output_max }, { -1, -1, .max = run->output_max } };
	int status = 0, why = EMFILE;

	if (open_stream(&s[0], true) && open_stream(&s[1], false) && open_stream(&s[2], false))
		why = run_streams(cx, run, s, &status);
	for (int i = 0; i < 3; i++)
		end_stream(&s[i]);
	*ret = (struct ud_ran){ .status = status,
		.output = text_of(cx, &s[1]),
		.error = text_of(cx, &s[2]),
		.output_n = s[1].kept.len,
		.error_n = s[2].kept.len,
		.cut = s[1].cut || s[2].cut };
	for (int i = 1; i < 3; i++)
		ud_buf_free(&s[i].kept);
	if (why == ETIMEDOUT)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s did not end within %lld ms",
			run->argv[0], (long long)run->timeout_ms);
	if (why)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", run->argv[0], strerror(why));
	return UD_OK;
}

enum ud_code ud_own_program(struct ud_ctx *cx, const char **ret)
{
	enum { LONGEST = 32768 };
	wchar_t *wide = ud_alloc(cx->arena, LONGEST * sizeof(*wide));
	DWORD n = GetModuleFileNameW(NULL, wide, LONGEST);

	if (n == 0 || n == LONGEST)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot tell where this program lies");
	char *narrow = ud_narrow(wide);

	*ret = ud_strdup(cx->arena, narrow);
	ud_free(narrow);
	return UD_OK;
}
