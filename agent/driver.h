/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent asks of a hypervisor. A driver is a table of functions; an empty slot is a
 * capability that this hypervisor does not have, and the capabilities we report are the filled
 * slots. The agent's core calls the wrappers ud_hv_… alone: they check arguments and slot, bound
 * the time, and log once. Nobody above this table knows which hypervisor it is.
 *
 * VMs are addressed by the hypervisor's UUID, never by name. Every function blocks and may be
 * called from any thread; the driver serialises what its hypervisor cannot do at once. What comes
 * back lives in cx->arena. Codes every slot may return: UD_E_NOT_FOUND (no such VM),
 * UD_E_INVALID_STATE (the VM's state forbids it; the detail says which), UD_E_NOT_IN_TIME (the
 * detail says what it was waiting for), UD_E_HYPERVISOR (it refused or does not answer),
 * UD_E_UNSUPPORTED.
 *
 * Replication: relation_set is the whole of one end of a relation, and the driver works by itself
 * from then on, also after a restart of agent or host, until relation_set says paused or removed.
 * To reverse is to set both ends anew with swapped roles and initial.method "reverse". Failover
 * calls are idempotent: each first looks whether its work is done.
 */
#ifndef AGENT_DRIVER_H
#define AGENT_DRIVER_H

#include "base/failover.h"
#include "base/machine.h"
#include "base/replication.h"

/* An open hypervisor. Each driver's own struct begins with it. */
struct ud_hv {
	const struct ud_driver *driver;
};

/* Something about a VM changed; called on a thread of the driver, must not call back into it. */
typedef void ud_hv_changed(void *data, const char *uuid);
/* Visitors get texts that are valid for the call, and must not call the driver. */
typedef enum ud_code ud_hv_visitor(struct ud_ctx *cx, void *data, const struct ud_machine *machine);
typedef enum ud_code ud_hv_sampled(struct ud_ctx *cx, void *data, const struct ud_sample *sample);
typedef enum ud_code ud_hv_checkpointed(
	struct ud_ctx *cx, void *data, const struct ud_checkpoint_info *checkpoint);
typedef enum ud_code ud_hv_related(
	struct ud_ctx *cx, void *data, const struct ud_replication_report *report);
typedef enum ud_code ud_hv_pointed(struct ud_ctx *cx, void *data, const struct ud_point *point);

/* One name by which a hypervisor is not what its driver was written for. */
struct ud_hv_difference {
	const char *kind, *name; /* "cmdlet", "enum", "object", and which */
	const char *which;       /* the name; NULL = all of it is missing */
	bool missing;            /* false: it has this beyond what is known */
};
typedef enum ud_code ud_hv_differed(
	struct ud_ctx *cx, void *data, const struct ud_hv_difference *difference);

enum ud_start_flags {
	UD_START_PAUSED = 1 << 0, /* vCPUs stand still until resume */
};

/* A program to run inside a guest. */
struct ud_guest_program {
	const char *path;
	struct ud_texts arguments;
	const void *input;
	size_t input_n;
	int64_t timeout_ms;
};
struct ud_guest_ran {
	int status;                 /* exit status; 128 + signal */
	const char *output, *error; /* NUL-terminated; at most UD_GUEST_OUTPUT bytes each */
	bool cut;                   /* there was more */
};
enum { UD_GUEST_OUTPUT = 256 << 10, UD_GUEST_FILE = 4 << 20 };

/* What a driver's replication needs of the agent around it. Copied; calls come on any thread. */
struct ud_hv_replication {
	const char *agent_id;
	const char *listen; /* "A:P" for points from other hosts; NULL or "" = none */
	/* PEM: our certificate, chain and key; the installation's root */
	const char *identity, *root;
	const char *keytab; /* path of our Kerberos keys; NULL or "" = certificates alone */
	const char *media;  /* folder of first copies that come another way; NULL or "" = none */
	/* how often every replica here is read and compared with its hashes, by itself, and how
	 * fast at most; 0 = never, no bound */
	int64_t scrub_every_ms, scrub_bytes_per_second;
	/* may this host take a delta of this epoch for the VM? the journal's word; NULL = yes */
	enum ud_code (*may_receive)(
		struct ud_ctx *cx, void *data, const char *vm_id, int64_t epoch);
	/* a message of a peer that is the VM's source or target (leases); NULL = unsupported */
	enum ud_code (*message)(struct ud_ctx *cx, void *data, const char *vm_id,
		const char *peer_agent_id, const char *message, const char **ret_answer);
	/* something of a relation has changed that the server should hear of soon; may be NULL */
	void (*changed)(void *data, const char *replication_id);
	void *data;
	/* NULL but in tests, which stop there: what is durable once it is done, at either end */
	void (*step)(void *data, const char *step);
};

/* May what takes long go on? Asked again and again, without locks; NULL, or go_on NULL = to the
 * end.
 */
struct ud_hv_leave {
	bool (*go_on)(void *data);
	void *data;
};

/* A replica's VM to be brought up. */
struct ud_hv_promotion {
	const char *replication_id;
	/* at the target a point; NULL at the former source, which goes on with its own disks */
	const char *point_id;
	struct ud_json networks; /* as of ud_promote_args */
};
struct ud_hv_promoted {
	const char *point_id;
	struct ud_json roots; /* {"vda":"hex"}: what its disks are at this moment */
};
/* A copy of a point for a test. */
struct ud_hv_test {
	const char *test_id, *replication_id, *point_id;
	const char *name;
	struct ud_json networks; /* cards not named have no link */
};
struct ud_hv_tested {
	const char *uuid;
	struct ud_json roots;
};
/* Disks of a former source that are kept. */
struct ud_hv_displaced {
	const char *divergent;   /* name of the set; NULL = nothing differed */
	int64_t divergent_bytes; /* written since the last point; UD_NONE = not known */
};

/* Why this hypervisor has not what a slot is for, and what people do instead. */
struct ud_hv_missing {
	const char *slot, *reason;
};

struct ud_driver {
	const char *name;     /* "libvirt", "hyperv", "scripted" */
	const char *platform; /* "kvm", "hyperv" */
	/* of empty slots, ended by a NULL slot; may be NULL */
	const struct ud_hv_missing *missing;
	/* uri: "qemu:///system", "qemu:///embed?root=DIR"; changed may be NULL */
	enum ud_code (*open)(struct ud_ctx *cx, const char *uri, ud_hv_changed *changed, void *data,
		struct ud_hv **ret);
	void (*close)(struct ud_hv *hv); /* VMs go on running */

	enum ud_code (*facts)(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret);
	enum ud_code (*inventory)(
		struct ud_ctx *cx, struct ud_hv *hv, ud_hv_visitor *visit, void *data);
	enum ud_code (*machine)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_machine *ret);
	/* power and raw alone: quick */
	enum ud_code (*power)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
		enum ud_power *ret, const char **ret_raw);
	enum ud_code (*sample)(
		struct ud_ctx *cx, struct ud_hv *hv, ud_hv_sampled *visit, void *data);

	/* each returns when the new state is observed; where it is already, that is UD_OK. start
	 * takes a VM that is off, saved or paused */
	enum ud_code (*start)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, unsigned flags);
	/* asks the guest; UD_E_NOT_IN_TIME when it still runs after timeout_ms */
	enum ud_code (*shutdown)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms);
	enum ud_code (*power_off)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid);
	enum ud_code (*save)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid);
	enum ud_code (*pause)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid);
	enum ud_code (*resume)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid);
	enum ud_code (*reset)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid);
	/* may the hypervisor start it by itself when the host boots? */
	enum ud_code (*autostart)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, bool on);
	/* process that runs the guest, for the lease guard; UD_E_INVALID_STATE when it is off */
	enum ud_code (*pid)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int *ret);

	/* a PNG of the screen; *ret_n bytes */
	enum ud_code (*screenshot)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
		const void **ret, size_t *ret_n);
	enum ud_code (*guest_run)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
		const struct ud_guest_program *program, struct ud_guest_ran *ret);
	/* at most UD_GUEST_FILE bytes */
	enum ud_code (*guest_write)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
		const char *path, const void *data, size_t n);
	enum ud_code (*guest_read)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
		const char *path, const void **ret, size_t *ret_n);
	/* file systems stand still until thaw; a watchdog of the driver thaws after timeout_ms */
	enum ud_code (*freeze)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms);
	/* UD_E_NOT_IN_TIME: the watchdog was quicker, and what was meant to be one moment is not */
	enum ud_code (*thaw)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid);

	/* kind "standard" or "production"; production falls back to crash and says why */
	enum ud_code (*checkpoint_create)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
		const char *name, const char *kind, struct ud_checkpoint_info *ret);
	enum ud_code (*checkpoint_list)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
		ud_hv_checkpointed *visit, void *data);
	enum ud_code (*checkpoint_apply)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name);
	enum ud_code (*checkpoint_delete)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name);

	enum ud_code (*limits_get)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_vm_limits *ret);
	enum ud_code (*limits_set)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
		const struct ud_vm_limits *limits);

	/* bring the definition of a VM that is off to the newest version this hypervisor knows;
	 * there is no way back */
	enum ud_code (*upgrade)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret_version);

	/* how the host's cluster moves VMs by itself; *ret: as it is then. UD_E_HYPERVISOR: the
	 * host is in none */
	enum ud_code (*balance)(struct ud_ctx *cx, struct ud_hv *hv,
		const struct ud_host_balance *wanted, struct ud_host_balance *ret);
	/* a switch over several cards: changed, or made where there is none of that name */
	enum ud_code (*team)(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_host_team *team);

	/* the stored definition as text that import takes */
	enum ud_code (*definition_export)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret);
	/* define a VM from another host's definition, reduced to what is allowed; never starts it
	 */
	enum ud_code (*definition_import)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *text, const char **ret_uuid);
	enum ud_code (*undefine)(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid);
	/* what a person needs to find out what is wrong: a text of sections */
	enum ud_code (*diagnose)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret);

	/* look, without changing anything, whether the hypervisor's names are those that the driver
	 * was written by; no capability, and most have none. *ret_compared: lists of names */
	enum ud_code (*selftest)(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_differed *visit,
		void *data, size_t *ret_compared);

	/* take replication up: listen, and go on with what was set before. Again: with credentials
	 * that were renewed. *ret_port: where it listens, 0 = nowhere */
	enum ud_code (*replicate)(struct ud_ctx *cx, struct ud_hv *hv,
		const struct ud_hv_replication *with, int *ret_port);
	/* pass a message to the relation's other end, beside all data, and take its answer */
	enum ud_code (*peer_ask)(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
		const char *message, const char **ret_answer);
	/* UD_E_CONFLICT: an older generation, or a lower epoch, than stands here */
	enum ud_code (*relation_set)(struct ud_ctx *cx, struct ud_hv *hv,
		const struct ud_relation *relation, struct ud_relation_result *ret);
	/* forget the relation; UD_OK when it is not known */
	enum ud_code (*relation_drop)(struct ud_ctx *cx, struct ud_hv *hv,
		const struct ud_relation_drop *drop, struct ud_relation_result *ret);
	enum ud_code (*relation_resync)(struct ud_ctx *cx, struct ud_hv *hv,
		const struct ud_relation_resync *resync, struct ud_relation_result *ret);
	/* reach the peer as a cycle would */
	enum ud_code (*relation_test)(struct ud_ctx *cx, struct ud_hv *hv,
		const struct ud_relation_test *test, struct ud_relation_tested *ret);
	/* how each relation stands; without points and dropped */
	enum ud_code (*relations)(
		struct ud_ctx *cx, struct ud_hv *hv, ud_hv_related *visit, void *data);
	/* points of a relation that this end knows, newest first */
	enum ud_code (*points)(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
		ud_hv_pointed *visit, void *data);
	/* reads the replica through, which may take hours, and holds nothing up meanwhile.
	 * UD_E_INVALID_STATE: it was stopped, by may or because the VM is brought up */
	enum ud_code (*point_verify)(struct ud_ctx *cx, struct ud_hv *hv,
		const struct ud_point_verify *verify, const struct ud_hv_leave *may,
		struct ud_point_verified *ret);

	/* at the source, its VM off: ship what it wrote last; returns when the target has published
	 * it. UD_E_UNAVAILABLE: the target is not reached */
	enum ud_code (*prepare)(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
		struct ud_point *ret);
	/* make the point the VM's disks and bring it up, standing still (paused or off): nothing of
	 * it has run until start. The relation stops */
	enum ud_code (*fail_over)(struct ud_ctx *cx, struct ud_hv *hv,
		const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret);
	/* the failover is final: points newer than the chosen one go */
	enum ud_code (*complete)(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id);
	/* it is called off: the VM is switched off, its disks since then are thrown away, and the
	 * host is a replica again. UD_E_INVALID_STATE after complete */
	enum ud_code (*cancel)(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id);
	/* at a former source, its VM off: the definition leaves the hypervisor, so that nobody can
	 * start it, and the disks are kept under a name */
	enum ud_code (*displace)(
		struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hv_displaced *ret);
	/* a copy of a point with a UUID of its own, running, beside all else */
	enum ud_code (*test_start)(struct ud_ctx *cx, struct ud_hv *hv,
		const struct ud_hv_test *test, struct ud_hv_tested *ret);
	/* UD_OK when there is none */
	enum ud_code (*test_drop)(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id);
};

/* All drivers of this program, ended by NULL, in the program's main. */
extern const struct ud_driver *const ud_drivers[];

/* Names of the filled slots: the capabilities. In cx->arena. */
void ud_hv_capabilities(struct ud_ctx *cx, const struct ud_driver *driver, struct ud_texts *ret);
/* Why a slot is empty, or NULL when the driver says nothing of it. */
const char *ud_hv_why_missing(const struct ud_driver *driver, const char *slot);

/*
 * Open the hypervisor that uri names by the first driver whose platform takes it: "qemu:…" libvirt,
 * "hyperv:…" Hyper-V, "scripted:…" the tests'. UD_E_VALIDATION for what no driver takes.
 */
enum ud_code ud_hv_open(struct ud_ctx *cx, const struct ud_driver *const *drivers, const char *uri,
	ud_hv_changed *changed, void *data, struct ud_hv **ret) UD_USE;
void ud_hv_close(struct ud_hv **hv);

/* Wrappers, in the order of the table; the same arguments and codes. */
enum ud_code ud_hv_facts(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret) UD_USE;
enum ud_code ud_hv_inventory(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_visitor *visit, void *data)
	UD_USE;
enum ud_code ud_hv_machine(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_machine *ret) UD_USE;
enum ud_code ud_hv_power(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, enum ud_power *ret,
	const char **ret_raw) UD_USE;
enum ud_code ud_hv_sample(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_sampled *visit, void *data)
	UD_USE;
enum ud_code ud_hv_start(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, unsigned flags)
	UD_USE;
enum ud_code ud_hv_shutdown(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms) UD_USE;
enum ud_code ud_hv_power_off(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hv_save(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hv_pause(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hv_resume(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hv_reset(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hv_autostart(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, bool on) UD_USE;
enum ud_code ud_hv_pid(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int *ret) UD_USE;
enum ud_code ud_hv_screenshot(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const void **ret, size_t *ret_n) UD_USE;
enum ud_code ud_hv_guest_run(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_guest_program *program, struct ud_guest_ran *ret) UD_USE;
enum ud_code ud_hv_guest_write(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void *data, size_t n) UD_USE;
enum ud_code ud_hv_guest_read(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void **ret, size_t *ret_n) UD_USE;
enum ud_code ud_hv_freeze(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms)
	UD_USE;
enum ud_code ud_hv_thaw(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hv_checkpoint_create(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *name, const char *kind, struct ud_checkpoint_info *ret) UD_USE;
enum ud_code ud_hv_checkpoint_list(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	ud_hv_checkpointed *visit, void *data) UD_USE;
enum ud_code ud_hv_checkpoint_apply(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name) UD_USE;
enum ud_code ud_hv_checkpoint_delete(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name) UD_USE;
enum ud_code ud_hv_limits_get(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_vm_limits *ret) UD_USE;
enum ud_code ud_hv_limits_set(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_vm_limits *limits) UD_USE;
enum ud_code ud_hv_upgrade(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret_version) UD_USE;
enum ud_code ud_hv_balance(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_host_balance *wanted, struct ud_host_balance *ret) UD_USE;
enum ud_code ud_hv_team(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_host_team *team)
	UD_USE;
enum ud_code ud_hv_definition_export(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret) UD_USE;
enum ud_code ud_hv_definition_import(
	struct ud_ctx *cx, struct ud_hv *hv, const char *text, const char **ret_uuid) UD_USE;
enum ud_code ud_hv_undefine(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_hv_diagnose(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
	UD_USE;
enum ud_code ud_hv_selftest(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_differed *visit, void *data,
	size_t *ret_compared) UD_USE;
enum ud_code ud_hv_replicate(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_replication *with, int *ret_port) UD_USE;
enum ud_code ud_hv_peer_ask(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	const char *message, const char **ret_answer) UD_USE;
enum ud_code ud_hv_relation_set(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation *relation, struct ud_relation_result *ret) UD_USE;
enum ud_code ud_hv_relation_drop(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_drop *drop, struct ud_relation_result *ret) UD_USE;
enum ud_code ud_hv_relation_resync(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_resync *resync, struct ud_relation_result *ret) UD_USE;
enum ud_code ud_hv_relation_test(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_test *test, struct ud_relation_tested *ret) UD_USE;
enum ud_code ud_hv_relations(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_related *visit, void *data)
	UD_USE;
enum ud_code ud_hv_points(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	ud_hv_pointed *visit, void *data) UD_USE;
enum ud_code ud_hv_point_verify(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_point_verify *verify, const struct ud_hv_leave *may,
	struct ud_point_verified *ret) UD_USE;
enum ud_code ud_hv_prepare(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	struct ud_point *ret) UD_USE;
enum ud_code ud_hv_fail_over(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret) UD_USE;
enum ud_code ud_hv_complete(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id) UD_USE;
enum ud_code ud_hv_cancel(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id) UD_USE;
enum ud_code ud_hv_displace(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hv_displaced *ret) UD_USE;
enum ud_code ud_hv_test_start(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_test *test,
	struct ud_hv_tested *ret) UD_USE;
enum ud_code ud_hv_test_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id) UD_USE;
/* The MAC address that a card of the VM has in this test's copy, where the hypervisor lets us
 * choose it: the same for the same two, and none of the VM's. */
const char *ud_hv_test_mac(struct ud_ctx *cx, const char *test_id, const char *mac);

#endif
