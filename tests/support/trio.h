/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real guest, replicated between three hosts: what tests have done over there (host_do with one
 * of the works), and how they wait for what comes of it. The guest is "guest" on host a.
 */
#ifndef TESTS_SUPPORT_TRIO_H
#define TESTS_SUPPORT_TRIO_H

#include "support/hosts.h"

extern const char trio_uuid[], trio_id[], trio_extended_id[];

struct trio {
	struct ud_ctx cx;
	struct guests guests;
	struct host a, b, c;
	int generation, epoch;
	bool own_file_systems;
	/* of relations to come */
	int interval_seconds;
	bool frozen; /* points of a frozen guest, too */
	bool paused;
	const char *address; /* where the source finds its target; NULL = straight there */
};

/* Hosts, and the guest defined on the first; words: for the kernel's command line. */
struct trio *trio_begin(const char *words);
/* A VM without a system of its own (guests_bare), hosts a and b on file systems of their own with
 * so much room, where we may mount; 0 = none. */
struct trio *trio_begin_bare(int mib);
void trio_end(struct trio *s);

/* Works. in: a VM's UUID, unless it says otherwise. */
host_work work_define; /* a definition */
host_work work_start, work_shutdown, work_power_off;
host_work work_power;          /* "running", …; "none" = no such VM */
host_work work_verify;         /* "verify: slots=4096 a=… clean" */
host_work work_guest;          /* PATH WORDS…, in the guest; fails where that fails */
host_work work_io;             /* "vda COMMAND…" of qemu-io, through the VM's own device */
host_work work_set, work_drop; /* a relation; its id */
host_work work_report;         /* nothing; all reports, one after the other */
host_work work_points;         /* relation; a line for each point, newest first: id, what
				* it got, state, bytes that changed, age, roots, reason */
host_work work_prove;          /* "RELATION POINT"; "intact ROOTS" or "corrupt ROOTS" */
host_work work_resync;         /* relation; hashes are compared */
host_work work_prepare, work_fail_over; /* relation; point of trio_id */
host_work work_complete, work_cancel;   /* relation */
host_work work_displace;                /* "NAME BYTES" of what is kept, "none 0" */
host_work work_test_start;              /* "RELATION POINT"; UUID of the copy, test "tst_1" */
host_work work_test_drop;               /* test */
host_work work_addresses;               /* "VM TEST MAC ADDRESS ROUTER NAMES"; TEST "-" = none;
					 * what became of the card, and why */
host_work work_check;                   /* codes of what the VM itself puts in the way */

/* A file of a host by its path's pattern; "" = none. */
const char *trio_file(struct trio *s, const struct host *h, const char *pattern);
/* A relation's text for work_set. */
const char *trio_relation(struct trio *s, const char *id, const struct host *peer, const char *role,
	const char *initial);
/* Set both ends of the first leg, one generation and one epoch up: by a method, or by all of
 * "initial". */
void trio_set(struct trio *s, struct host *source, struct host *target, const char *method);
void trio_set_initial(
	struct trio *s, struct host *source, struct host *target, const char *initial);
/* The same in the epoch that it is. */
void trio_tell(struct trio *s, struct host *source, struct host *target, const char *initial);
/* The id in a line of work_points; 0 = the newest; "" = there is none. */
const char *trio_point_of(struct trio *s, struct host *target, const char *relation, int line);
const char *trio_point(struct trio *s, struct host *target, int line);
/* Wait until another point than this one is the newest; its id. */
const char *trio_next_of(
	struct trio *s, struct host *target, const char *relation, const char *last);
const char *trio_next(struct trio *s, struct host *target, const char *last);
/* Both ends pause; the newest point over there and the VM's disks, which nobody writes to, are the
 * same byte for byte; and both go on. */
void trio_wants_same(struct trio *s, struct host *source, struct host *target);
/* The newest point over there and the VM's disks, which nobody writes to, are the same now. */
void trio_wants_equal(struct trio *s, struct host *source, struct host *target);
/* The source alone makes no cycles, or makes them again. */
void trio_source_pauses(struct trio *s, bool paused);
/* Until the guest answers; its word. */
const char *trio_verify(struct trio *s, struct host *h, const char *vm);
void trio_wants_clean(const char *verified);
/* A number of the guest's word: "b". */
long trio_number(struct trio *s, const char *verified, const char *key);
bool trio_is_power(struct trio *s, struct host *h, const char *power);
/* A number of what a host tells of its first relation; UD_NONE = null. */
int64_t trio_told(struct trio *s, struct host *h, const char *key);
/* Of one of its relations: the age of the newest point; UD_NONE = not told. */
int64_t trio_age(struct trio *s, struct host *h, const char *relation);

#endif
