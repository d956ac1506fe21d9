/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the scripted hypervisor share, and nobody else needs.
 */
#ifndef TESTS_SUPPORT_SCRIPTED_INSIDE_H
#define TESTS_SUPPORT_SCRIPTED_INSIDE_H

#include <pthread.h>

#include "support/scripted.h"

struct scripted_checkpoint {
	struct scripted_checkpoint *next;
	struct ud_checkpoint_info info;
	unsigned power;
	int64_t content;
	bool gone;
};

struct scripted_vm {
	struct scripted_vm *next;
	struct ud_machine m;
	struct ud_vm_limits limits;
	bool upgraded;
	struct scripted_checkpoint *checkpoints;
	int64_t frozen_until_ms; /* 0 = not frozen */
	int64_t content;         /* grows with what the guest writes: scripted_write */
	const char *says;
	int status;
	const char *file_path; /* the last file written into the guest */
	const void *file;
	size_t file_n;
	const char *test_id; /* of a test's copy */
	int pid;
	bool deaf, gone;
};

struct scripted_point {
	struct scripted_point *next; /* older */
	struct ud_point p;
	int64_t taken_mono_ms;
	int64_t content;
	bool gone;
};

struct scripted_relation {
	struct scripted_relation *next;
	struct ud_relation r; /* texts in the hypervisor's arena */
	enum ud_replication_state state;
	struct scripted_point *points; /* newest first */
	int64_t cycles, missed;
	const char *failed_over_to; /* point the VM was brought up from */
	const char *divergent;
	bool gone;
};

struct scripted_failure {
	enum ud_code code;
	int times;
};

struct scripted_slot {
	struct scripted_slot *next;
	const char *name;
	struct scripted_failure fails[2]; /* before, after */
	int64_t delay_ms;
	bool held, looks;
	int calls, effects;
};

struct scripted_hv {
	struct ud_hv hv;
	struct scripted *s;
	struct scripted_hv *next;
	ud_hv_changed *changed;
	void *data;
	struct ud_hv_replication with; /* as replicate gave it; zeros before */
};

struct scripted {
	struct scripted *next;
	const char *name, *uri;
	ud_arena *arena; /* under the lock */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct scripted_hv *open;
	struct scripted_vm *vms;
	struct scripted_slot *slots;
	struct ud_host_facts facts;
	struct scripted_relation *relations;
	const char *agent_id, *log;
	bool cut, patient;
	int boots;
	bool processes;
	struct ud_host_balance balance;
	const char *team; /* the last switch that was set, as text */
	scripted_lives *lives;
	void *lives_data;
};

enum scripted_flags {
	SCRIPTED_LOOKS = 1 << 0,   /* changes nothing: not in the log */
	SCRIPTED_RUNNING = 1 << 1, /* the VM must run */
};

/* The hypervisor behind a handle. */
static inline struct scripted *scripted_of(struct ud_hv *hv)
{
	return UD_OUTER(hv, struct scripted_hv, hv)->s;
}
struct scripted *scripted_find(const char *name);
struct scripted *scripted_find_by(
	bool (*is)(struct scripted *s, const void *data), const void *data);
/* Begin a call about a relation or the host: on UD_OK the lock is held until scripted_leave. */
enum ud_code scripted_enter_for(
	struct ud_ctx *cx, struct ud_hv *hv, const char *slot, const char *id, unsigned flags);
/* The same about a VM; uuid NULL: of the host, *ret is NULL. */
enum ud_code scripted_enter(struct ud_ctx *cx, struct ud_hv *hv, const char *slot, const char *uuid,
	unsigned flags, struct scripted_vm **ret);
/* End it: gives the lock back and returns code, or the failure that is due. */
enum ud_code scripted_leave(
	struct ud_ctx *cx, struct ud_hv *hv, const char *slot, enum ud_code code);
/* Under the lock. */
struct scripted_vm *scripted_vm(struct scripted *s, const char *uuid);
struct scripted_vm *scripted_make(struct scripted *s, const char *uuid, const char *name);
void scripted_power_is(struct scripted *s, struct scripted_vm *vm, enum ud_power power);
void scripted_tell(struct scripted *s, const char *uuid);
/* A call of a slot had an effect. */
void scripted_did(struct scripted *s, const char *slot);

/* Slots of replication, in a file of their own. */
enum ud_code scripted_replicate(
	struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_replication *with, int *ret_port);
enum ud_code scripted_relation_set(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation *relation, struct ud_relation_result *ret);
enum ud_code scripted_relation_drop(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_drop *drop, struct ud_relation_result *ret);
enum ud_code scripted_relation_resync(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_resync *resync, struct ud_relation_result *ret);
enum ud_code scripted_relation_test(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_test *test, struct ud_relation_tested *ret);
enum ud_code scripted_relations(
	struct ud_ctx *cx, struct ud_hv *hv, ud_hv_related *visit, void *data);
enum ud_code scripted_points(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	ud_hv_pointed *visit, void *data);
enum ud_code scripted_point_verify(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_point_verify *verify, const struct ud_hv_leave *may,
	struct ud_point_verified *ret);
enum ud_code scripted_prepare(
	struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id, struct ud_point *ret);
enum ud_code scripted_fail_over(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret);
enum ud_code scripted_complete(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id);
enum ud_code scripted_cancel(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id);
enum ud_code scripted_displace(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hv_displaced *ret);
enum ud_code scripted_test_start(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_test *test,
	struct ud_hv_tested *ret);
enum ud_code scripted_test_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id);

#endif
