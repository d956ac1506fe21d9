/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this driver share: batches of calls, the rows that come back, VMs, the book of
 * relations, and names of states. Everything blocks and may be called from any thread.
 */
#ifndef AGENT_DRIVERS_HYPERV_INSIDE_H
#define AGENT_DRIVERS_HYPERV_INSIDE_H

#include <pthread.h>

#include "agent/drivers/hyperv/hyperv.h"
#include "base/buf.h"

enum { UD_HY_CALLS = 32, UD_HY_PROCESSES = 3, UD_HY_LIST = 4096 };
/* How long a batch may take: one that reads, one that changes, and the last difference of a VM. */
enum { UD_HY_READ_MS = 60000, UD_HY_CHANGE_MS = 600000, UD_HY_PREPARE_MS = 3600000 };

/* CPU time of a VM is not told, only its load: we add it up. */
struct ud_hy_load {
	struct ud_hy_load *next;
	char uuid[40];
	int64_t at_ms, cpu_ns;
};

struct ud_hy {
	struct ud_hv hv;
	char *dir, *powershell;
	ud_hv_changed *changed;
	void *data;
	pthread_mutex_t lock; /* over all below */
	pthread_cond_t moved; /* a process has ended */
	int processes;
	struct ud_hy_load *loads;
	struct ud_hv_replication with; /* as replicate gave it; texts are ours */
	pthread_mutex_t book;          /* over the files of relations */
};

static inline struct ud_hy *ud_hy_of(struct ud_hv *hv)
{
	return UD_OUTER(hv, struct ud_hy, hv);
}

/* ---- calls ---- */

struct ud_embedded;

/* What of an object is wanted: each field of the shape with the path of its property. */
struct ud_hy_class {
	const struct ud_shape *shape;
	const char *const *paths;
};

struct ud_hy_row {
	struct ud_hy_row *next;
	int64_t call;
	const char *text;
};

/* Calls that one process makes in their order, up to the first that fails. */
struct ud_hy_batch {
	struct ud_ctx *cx;
	struct ud_hy *hy;
	struct ud_buf text;
	int count;      /* calls so far */
	bool open;      /* the last one may still get parameters */
	bool parameter; /* it has one */
	const struct ud_hy_class *wanted[UD_HY_CALLS];
	struct ud_hy_row *rows, **last;
	const char *module; /* version of the Hyper-V module that answered */
};

/* An empty batch. */
void ud_hy_begin(struct ud_ctx *cx, struct ud_hv *hv, struct ud_hy_batch *ret);
/* A further call; its number. wanted NULL = nothing comes back. */
int ud_hy_call(struct ud_hy_batch *b, const char *cmdlet, const struct ud_hy_class *wanted);
/* When this one fails the batch goes on, and it has no rows. */
void ud_hy_optional(struct ud_hy_batch *b);
/* Parameters of the last call. A text, number or list that is absent is not given. */
void ud_hy_text(struct ud_hy_batch *b, const char *name, const char *value);
void ud_hy_guid(struct ud_hy_batch *b, const char *name, const char *value);
void ud_hy_int(struct ud_hy_batch *b, const char *name, int64_t value);
void ud_hy_bool(struct ud_hy_batch *b, const char *name, bool value);
void ud_hy_switch(struct ud_hy_batch *b, const char *name);
void ud_hy_uint16(struct ud_hy_batch *b, const char *name, int64_t value);
/* A table of what is given up to its end: arguments of a method. */
void ud_hy_table(struct ud_hy_batch *b, const char *name);
void ud_hy_table_end(struct ud_hy_batch *b);
/* It asks before it acts, unless it is told not to. */
void ud_hy_unasked(struct ud_hy_batch *b);
void ud_hy_time(struct ud_hy_batch *b, const char *name, struct ud_time value);
void ud_hy_texts(struct ud_hy_batch *b, const char *name, const struct ud_texts *value);
/* The objects of an earlier call; without any the call is left out. */
void ud_hy_ref(struct ud_hy_batch *b, const char *name, int call);
/* Those of them whose property has this value; it is an error when there is not exactly one. */
void ud_hy_element(
	struct ud_hy_batch *b, const char *name, int call, const char *property, const char *value);
/* A property of each of them. */
void ud_hy_each(struct ud_hy_batch *b, const char *name, int call, const char *property);
/*
 * Make the calls. UD_E_NOT_FOUND, UD_E_INVALID_STATE, UD_E_UNAVAILABLE (the other host),
 * UD_E_NOT_IN_TIME (the process was ended; what it has done must be looked at), UD_E_HYPERVISOR.
 * The batch holds no memory of its own afterwards.
 */
enum ud_code ud_hy_run(struct ud_hy_batch *b, int64_t timeout_ms) UD_USE;
/* The rows of a call as an array of its class's struct in the arena. */
enum ud_code ud_hy_rows(struct ud_hy_batch *b, int call, void *ret_rows, size_t *ret_n) UD_USE;
/* Its first row; *ret_found. */
enum ud_code ud_hy_row(struct ud_hy_batch *b, int call, bool *ret_found, void *ret) UD_USE;

/*
 * One of the fixed scripts beside that of the batches, with one line of JSON in and one out; *ret
 * in the arena. Codes as ud_hy_run.
 */
enum ud_code ud_hy_script(struct ud_ctx *cx, struct ud_hv *hv, const char *name, const char *line,
	int64_t timeout_ms, const char **ret) UD_USE;

/* A file that was built in beside the code; NULL = there is none of that name. */
const struct ud_embedded *ud_hy_embedded(const char *name);

/* ---- VMs ---- */

struct ud_hy_vm {
	const char *uuid, *name, *state, *version, *start_action, *heartbeat;
	int64_t generation, vcpus, memory_startup, memory_assigned, load, uptime_ms;
	bool clustered;
};
extern const struct ud_hy_class ud_hy_vms;
struct ud_hy_disk {
	const char *vm, *path, *controller;
	int64_t number, location, disk_number, maximum_iops;
	bool shared;
};
extern const struct ud_hy_class ud_hy_disks;
struct ud_hy_nic {
	const char *vm, *id, *mac, *switch_name, *name;
	bool connected, legacy;
	struct ud_texts addresses;
};
extern const struct ud_hy_class ud_hy_nics;
/* A disk's name inside the VM: "scsi0:1". */
const char *ud_hy_target(struct ud_ctx *cx, const struct ud_hy_disk *disk);
/* "00155D…" as "00:15:5d:…". */
const char *ud_hy_mac(struct ud_ctx *cx, const char *mac);

/* Begin a batch about one VM; its object is call 0. */
void ud_hy_begin_vm(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hy_batch *ret);
/* The VM now. UD_E_NOT_FOUND. */
enum ud_code ud_hy_look(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hy_vm *ret)
	UD_USE;
/* Its state's name as one of ours; what is not known is unknown. */
enum ud_power ud_hy_power_of(const char *state);
/* Something about a VM is different now. */
void ud_hy_tell(struct ud_hv *hv, const char *uuid);
/* Let a VM that is off do nothing when the host boots, and forget memory it had saved. */
enum ud_code ud_hy_quiet(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;

/* ---- replication ---- */

/* A relationship as Get-VMReplication tells it. */
struct ud_hy_link {
	const char *vm, *state, *health, *mode, *relationship, *primary, *replica, *test_vm;
	const char *thumbprint;
	struct ud_time last;
	int64_t interval;
};
extern const struct ud_hy_class ud_hy_links;
/* What Measure-VMReplication tells of it. */
struct ud_hy_figures {
	const char *vm, *relationship;
	int64_t pending, errors, successes, missed, latency_ms;
};
extern const struct ud_hy_class ud_hy_figures_class;

/* What one of our relations remembers. */
struct ud_hy_note {
	const char *replication_id;
	struct ud_json relation; /* ud_relation */
	const char *failed_over; /* point the VM was brought up from */
	bool planned;            /* from the state that the source prepared */
	bool completed, displaced;
	const char *final_id; /* at the source: what its last preparation left at the replica */
	struct ud_time final_at;
};
extern const struct ud_shape ud_hy_note_shape;
enum ud_code ud_hy_note_find(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	bool *ret_found, struct ud_hy_note *ret, struct ud_relation *ret_relation) UD_USE;
/* UD_E_NOT_FOUND without one. */
enum ud_code ud_hy_note_get(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	struct ud_hy_note *ret, struct ud_relation *ret_relation) UD_USE;
enum ud_code ud_hy_note_put(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hy_note *note)
	UD_USE;
/* The relation about a VM of which this host is this end. */
enum ud_code ud_hy_note_of_vm(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	bool *ret_found, struct ud_hy_note *ret, struct ud_relation *ret_relation) UD_USE;
/* All of them. */
enum ud_code ud_hy_notes(
	struct ud_ctx *cx, struct ud_hv *hv, struct ud_hy_note **ret, size_t *ret_n) UD_USE;
void ud_hy_note_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id);
/* The VM that is a test's copy; NULL = none. Put with NULL forgets it. */
enum ud_code ud_hy_test_get(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id,
	const char **ret_replication) UD_USE;
enum ud_code ud_hy_test_put(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id,
	const char *replication_id) UD_USE;

/* Which of the relationships is this relation's? */
bool ud_hy_is_link(const struct ud_relation *r, const struct ud_hy_link *link);
/* The relationship now; *ret_found false: the VM does not replicate, or is not here. */
enum ud_code ud_hy_link(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_relation *r,
	bool *ret_found, struct ud_hy_link *ret) UD_USE;
/* State and health as one of ours: what is not known is never healthy. */
enum ud_replication_state ud_hy_state_of(const char *state, const char *health);
/* The certificate this host shows: of those that keep all rules the one that lasts longest.
 * UD_E_HYPERVISOR says which rule fails. */
enum ud_code ud_hy_certificate(struct ud_ctx *cx, struct ud_hv *hv, const char **ret) UD_USE;
/* Server, port and authentication of a relation's other end, as parameters. */
void ud_hy_peer(struct ud_hy_batch *b, const struct ud_relation *r, const char *thumbprint);
/* The thumbprint that authentication needs; NULL for Kerberos. */
enum ud_code ud_hy_thumbprint(
	struct ud_ctx *cx, struct ud_hv *hv, unsigned authentication, const char **ret) UD_USE;
/* The id of the newest state a replica has, as of an instant; and is this id one of those? */
const char *ud_hy_newest_id(struct ud_ctx *cx, const char *replication_id, int64_t at_ms);
bool ud_hy_is_newest(
	struct ud_ctx *cx, const char *replication_id, const char *point_id, int64_t *ret_at_ms);
/* What the preparation of a planned failover has left, as a point. */
struct ud_point ud_hy_final_point(
	struct ud_ctx *cx, const struct ud_relation *r, const struct ud_hy_note *note);
/* The id of a recovery point, from its own. */
const char *ud_hy_point_id(struct ud_ctx *cx, const char *guid, int64_t at_ms);

/* ---- slots, by file ---- */

/* machine.c */
enum ud_code ud_hy_facts(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret) UD_USE;
enum ud_code ud_hy_inventory(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_visitor *visit, void *data)
	UD_USE;
enum ud_code ud_hy_machine(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_machine *ret) UD_USE;
enum ud_code ud_hy_sample(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_sampled *visit, void *data)
	UD_USE;
enum ud_code ud_hy_diagnose(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
	UD_USE;
enum ud_code ud_hy_definition(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret) UD_USE;
/* power.c */
enum ud_code ud_hy_power(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, enum ud_power *ret,
	const char **ret_raw) UD_USE;
enum ud_code ud_hy_start(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, unsigned flags)
	UD_USE;
enum ud_code ud_hy_shutdown(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms) UD_USE;
enum ud_code ud_hy_power_off(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hy_save(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hy_pause(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hy_resume(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hy_reset(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hy_autostart(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, bool on) UD_USE;
enum ud_code ud_hy_pid(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int *ret) UD_USE;
enum ud_code ud_hy_undefine(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
/* picture.c */
enum ud_code ud_hy_screenshot(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const void **ret, size_t *ret_n) UD_USE;
/* A picture as Hyper-V gives it (320 x 240, 16 bits a pixel) as a PNG. */
void ud_hy_png(struct ud_buf *b, const unsigned char *pixels);
/* guest.c */
enum ud_code ud_hy_guest_run(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_guest_program *program, struct ud_guest_ran *ret) UD_USE;
enum ud_code ud_hy_guest_write(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void *data, size_t n) UD_USE;
enum ud_code ud_hy_guest_read(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void **ret, size_t *ret_n) UD_USE;
/* cluster.c */
/* The name by which the host's cluster receives replicas, whether its broker is there yet or not;
 * NULL = the host is in none. */
enum ud_code ud_hy_broker_name(struct ud_ctx *cx, struct ud_hv *hv, const char **ret) UD_USE;
/* The same, and see to it that the broker is there and online. */
enum ud_code ud_hy_broker(struct ud_ctx *cx, struct ud_hv *hv, const char **ret) UD_USE;
/* surroundings.c */

struct ud_hy_cluster_name {
	const char *name, *domain;
};
/* The cluster this host is in; *ret_found. */
enum ud_code ud_hy_cluster(struct ud_ctx *cx, struct ud_hv *hv, bool *ret_found,
	struct ud_hy_cluster_name *ret) UD_USE;
/* Cluster, storage and paths of SMB: the members of that name in *ret. */
enum ud_code ud_hy_surroundings(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret)
	UD_USE;
/* A health as one of ours, and numbers of the balancer; what is not known is "unknown". */
const char *ud_hy_health_of(const char *name);
const char *ud_hy_balance_mode(int64_t mode);
const char *ud_hy_balance_level(int64_t level);
enum ud_code ud_hy_balance(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_host_balance *wanted, struct ud_host_balance *ret) UD_USE;
enum ud_code ud_hy_team(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_host_team *team)
	UD_USE;
enum ud_code ud_hy_upgrade(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret_version) UD_USE;
/* selftest.c */
enum ud_code ud_hy_selftest(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_differed *visit, void *data,
	size_t *ret_compared) UD_USE;
/* care.c */
enum ud_code ud_hy_checkpoint_create(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *name, const char *kind, struct ud_checkpoint_info *ret) UD_USE;
enum ud_code ud_hy_checkpoint_list(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	ud_hv_checkpointed *visit, void *data) UD_USE;
enum ud_code ud_hy_checkpoint_apply(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name) UD_USE;
enum ud_code ud_hy_checkpoint_delete(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name) UD_USE;
enum ud_code ud_hy_limits_get(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_vm_limits *ret) UD_USE;
enum ud_code ud_hy_limits_set(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_vm_limits *limits) UD_USE;
/* relation.c */
enum ud_code ud_hy_relation_set(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation *relation, struct ud_relation_result *ret) UD_USE;
enum ud_code ud_hy_relation_drop(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_drop *drop, struct ud_relation_result *ret) UD_USE;
enum ud_code ud_hy_relation_resync(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_resync *resync, struct ud_relation_result *ret) UD_USE;
enum ud_code ud_hy_relation_test(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_test *test, struct ud_relation_tested *ret) UD_USE;
/* status.c */
enum ud_code ud_hy_relations(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_related *visit, void *data)
	UD_USE;
enum ud_code ud_hy_points(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	ud_hv_pointed *visit, void *data) UD_USE;
/* failover.c */
enum ud_code ud_hy_prepare(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	struct ud_point *ret) UD_USE;
enum ud_code ud_hy_fail_over(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret) UD_USE;
enum ud_code ud_hy_complete(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id) UD_USE;
enum ud_code ud_hy_cancel(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id) UD_USE;
enum ud_code ud_hy_displace(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hv_displaced *ret) UD_USE;
enum ud_code ud_hy_test_start(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_test *test,
	struct ud_hv_tested *ret) UD_USE;
enum ud_code ud_hy_test_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id) UD_USE;

#endif
