/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles of processes. A VM of Hyper-V is the worker process that the hypervisor names for it.
 */
#include "agent/guard/process.h"

#include <windows.h>

#include <errno.h>

#include "base/wide.h"

enum { RIGHTS = PROCESS_TERMINATE | SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION };

static HANDLE of(int process)
{
	return (HANDLE)(intptr_t)process;
}

int ud_guard_hold(int pid)
{
	HANDLE h = OpenProcess(RIGHTS, FALSE, (DWORD)pid);

	if (h)
		return (int)(intptr_t)h;
	errno = ud_windows_errno();
	return -1;
}

void ud_guard_let_go(int process)
{
	CloseHandle(of(process));
}

bool ud_guard_is_process(int process)
{
	return GetProcessId(of(process)) != 0;
}

bool ud_guard_has_ended(int process)
{
	return WaitForSingleObject(of(process), 0) == WAIT_OBJECT_0;
}

void ud_guard_kill(int process)
{
	TerminateProcess(of(process), 1);
}
