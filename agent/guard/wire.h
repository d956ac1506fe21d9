/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agent and lease guard say to each other: messages of one size each way over a Unix socket
 * (on Windows a named pipe) that keeps messages apart, both on one machine, so plain structs will
 * do. A request is answered by one reply, in order. The process to guard comes along as a pidfd
 * (SCM_RIGHTS), on Windows as the number of a handle of the asking process, which the guard copies:
 * the guard never looks a process up, so it cannot hit another one that got its number since.
 */
#ifndef AGENT_GUARD_WIRE_H
#define AGENT_GUARD_WIRE_H

#include "base/ud.h"

enum { UD_GUARD_VERSION = 1, UD_GUARD_UUID = 16, UD_GUARD_ENTRIES = 4096 };
/* A lease is never longer; what asks for more is a bug. */
enum { UD_GUARD_LONGEST_MS = 3600000 };
/* A killed process should be gone after this; then the machine itself is suspect. */
enum { UD_GUARD_KILL_MS = 5000 };

enum ud_guard_verb {
	UD_GUARD_ARM,    /* guard this process until the deadline; a hold of it comes along */
	UD_GUARD_RENEW,  /* a later deadline; an earlier one changes nothing */
	UD_GUARD_DISARM, /* the VM needs no lease any more, or has ended */
	UD_GUARD_SHOW,   /* the entry at index, to take over after a restart */
};

enum ud_guard_result {
	UD_GUARD_DONE,
	UD_GUARD_NONE,  /* no entry for it, or its process had ended */
	UD_GUARD_OLDER, /* the entry has a higher epoch */
	UD_GUARD_FULL,
	UD_GUARD_BAD, /* no request of ours */
};

struct ud_guard_request {
	uint32_t version, verb;
	uint32_t index;
	int32_t process; /* Windows: the handle, as the asking process knows it; -1 = none */
	unsigned char uuid[UD_GUARD_UUID];
	int64_t epoch, deadline_ms; /* by ud_mono_ms of this machine */
};

struct ud_guard_reply {
	uint32_t version, result;
	uint32_t count, unused; /* entries in all */
	unsigned char uuid[UD_GUARD_UUID];
	int64_t epoch, deadline_ms;
	int64_t killed_ms; /* when its lease ended and it was killed; 0 = it was not */
};

#endif
