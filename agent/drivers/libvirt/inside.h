/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this driver share. libvirt's handles are freed by UD_AUTO; its texts are copied
 * into the arena at once. Every function of libvirt blocks and may be called from any thread.
 */
#ifndef AGENT_DRIVERS_LIBVIRT_INSIDE_H
#define AGENT_DRIVERS_LIBVIRT_INSIDE_H

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/tree.h>
#include <pthread.h>

#include "agent/drivers/libvirt/libvirt.h"

enum { UD_LV_EVENTS = 1000, UD_LV_ROOT_MAX = 64 };

/* Something the hypervisor said, for a diagnosis. */
struct ud_lv_event {
	int64_t at_ms;
	char uuid[VIR_UUID_STRING_BUFLEN];
	char text[96];
};

struct ud_lv_freeze;
struct ud_lv_book;

struct ud_lv {
	struct ud_hv hv;
	virConnectPtr conn;
	char *root; /* of an embedded driver; NULL = the system's */
	char *dir;  /* of what the driver keeps itself */
	ud_hv_changed *changed;
	void *data;
	int callbacks[8];
	size_t callback_count;
	char accel[8];           /* "kvm", "tcg" */
	struct ud_lv_book *book; /* of relations: relation.h */

	pthread_mutex_t lock; /* over all below */
	pthread_cond_t moved; /* an event came, or a freeze ended */
	struct ud_lv_event events[UD_LV_EVENTS];
	size_t event_count;
	struct ud_lv_freeze *frozen;
	struct ud_lv_in_work *in_work; /* images.c */
	struct ud_lv_said *said;       /* words.c */
};

/* The driver behind a handle. */
static inline struct ud_lv *ud_lv_of(struct ud_hv *hv)
{
	return UD_OUTER(hv, struct ud_lv, hv);
}

/* ---- handles ---- */

typedef virDomain ud_lv_domain;
typedef virDomainSnapshot ud_lv_snapshot;
typedef virDomainCheckpoint ud_lv_checkpoint;
typedef virStream ud_lv_stream;
typedef xmlDoc ud_lv_doc;
/* Release; each takes NULL. */
void ud_lv_domain_release(ud_lv_domain **domain);
void ud_lv_snapshot_release(ud_lv_snapshot **snapshot);
void ud_lv_checkpoint_release(ud_lv_checkpoint **checkpoint);
void ud_lv_stream_release(ud_lv_stream **stream);
void ud_lv_doc_release(ud_lv_doc **doc);

/* ---- errors ---- */

/* What libvirt said last on this thread, as one of our codes with its words. what: what was to be
 * done, for the sentence. Never UD_OK. */
enum ud_code ud_lv_fail(struct ud_ctx *cx, const char *what) UD_USE;
/* A text of libvirt's into the arena; frees it. NULL stays NULL. */
const char *ud_lv_take(struct ud_ctx *cx, char *text);

/* ---- domains ---- */

/* The VM of that UUID. UD_E_NOT_FOUND. */
enum ud_code ud_lv_find(struct ud_ctx *cx, struct ud_lv *lv, const char *uuid, ud_lv_domain **ret)
	UD_USE;
/* Its power in our words and libvirt's. */
enum ud_code ud_lv_power(
	struct ud_ctx *cx, virDomainPtr d, enum ud_power *ret, const char **ret_raw) UD_USE;
/* UD_E_INVALID_STATE unless it runs (paused counts when paused is true). */
enum ud_code ud_lv_must_run(struct ud_ctx *cx, virDomainPtr d, bool paused) UD_USE;
/* Around what makes images of a running VM: waits for those who look. Not to be nested with the
 * next two in one thread. */
void ud_lv_make_begin(struct ud_lv *lv, const char *uuid);
void ud_lv_make_end(struct ud_lv *lv, const char *uuid);
/* Around what asks QEMU for its images. wait: until none is being made; else false when one is, and
 * then ud_lv_look_end is not called. */
bool ud_lv_look_begin(struct ud_lv *lv, const char *uuid, bool wait) UD_USE;
void ud_lv_look_end(struct ud_lv *lv, const char *uuid);
void ud_lv_in_work_free(struct ud_lv *lv);
/* Wait for an event of any VM, at most ms. seen: the count of events looked at before waiting. */
void ud_lv_wait_event(struct ud_lv *lv, size_t seen, int64_t ms);
/* Events so far. */
size_t ud_lv_events(struct ud_lv *lv);
/* Wait until the VM is active, or not; UD_E_NOT_IN_TIME. */
enum ud_code ud_lv_wait_active(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, bool active,
	int64_t timeout_ms) UD_USE;
/* Run a program of the host to its end, in a bare environment; UD_E_HYPERVISOR with its words when
 * it ends with another status than 0. output may be NULL. */
enum ud_code ud_lv_run(struct ud_ctx *cx, const char *const *argv, int64_t timeout_ms,
	const char **ret_output) UD_USE;

/* ---- the guest's agent ---- */

/* A network card as the guest tells of it; a bridge over one has the same MAC. */
struct ud_lv_card {
	char *mac;
	char *addresses; /* ADDRESS/PREFIX, as members of a JSON list */
};

/* What a guest says of itself. */
struct ud_lv_words {
	const char *os; /* NULL = it does not say */
	struct ud_lv_card *cards;
	size_t card_count;
};

/* What the guest says of itself, in the arena: asked for at most some seconds when nobody else
 * speaks with its agent and that has not just failed to answer, else what it said last. connected:
 * it runs and its agent is there; without that nothing is known. */
void ud_lv_words(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, const char *uuid,
	bool connected, struct ud_lv_words *ret);
/* Around calls that libvirt makes of the guest agent by itself (freezing): one at a time, as
 * libvirt keeps how long it waits for an answer per VM. timeout_ms: 1,000 or more, in whole
 * seconds. */
void ud_lv_words_begin(struct ud_lv *lv, virDomainPtr d, const char *uuid, int64_t timeout_ms);
void ud_lv_words_end(struct ud_lv *lv, const char *uuid);
void ud_lv_said_free(struct ud_lv *lv);

/* ---- XML ---- */

/* Read a document: no network, no DTD, no entities. UD_E_VALIDATION. */
enum ud_code ud_lv_read(struct ud_ctx *cx, const char *text, ud_lv_doc **ret) UD_USE;
/* The document as text. */
const char *ud_lv_text_of(struct ud_ctx *cx, xmlDocPtr doc);
/* First child of that name, or NULL; path "a/b" goes down the first ones. Takes NULL. */
xmlNodePtr ud_lv_child(xmlNodePtr node, const char *path);
/* The next sibling of the same name, or NULL. */
xmlNodePtr ud_lv_next(xmlNodePtr node);
/* Value of an attribute, or NULL; in the arena. Takes NULL. */
const char *ud_lv_attribute(struct ud_ctx *cx, xmlNodePtr node, const char *name);
/* The text inside, without blanks at the ends; "" for none; in the arena. NULL for NULL. */
const char *ud_lv_content(struct ud_ctx *cx, xmlNodePtr node);
/* A whole number inside, or UD_NONE. */
int64_t ud_lv_number(struct ud_ctx *cx, xmlNodePtr node);
/* Set an attribute. */
void ud_lv_set(xmlNodePtr node, const char *name, const char *value);
/* A new child, with text when it is not NULL. */
xmlNodePtr ud_lv_add(xmlNodePtr node, const char *name, const char *text);
/* The definition of a VM, stored or live, read. */
enum ud_code ud_lv_definition(struct ud_ctx *cx, virDomainPtr d, unsigned flags, ud_lv_doc **ret)
	UD_USE;
/* Attribute target/@dev of a disk, when it is one that holds the guest's data (disk, lun); else
 * NULL. */
const char *ud_lv_disk_target(struct ud_ctx *cx, xmlNodePtr disk);
/* Path or device of a disk's source, or NULL. */
const char *ud_lv_disk_path(struct ud_ctx *cx, xmlNodePtr disk);

/* ---- the guest ---- */

/* A command of the guest agent; args is the JSON of "arguments" or NULL. *ret is the JSON text of
 * "return". UD_E_NOT_IN_TIME when the guest does not answer. */
enum ud_code ud_lv_ask(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, const char *command,
	const char *args, int64_t timeout_ms, const char **ret) UD_USE;
/* A command of QEMU's own monitor; args as above. *ret is "return", to be json_decref'd. */
enum ud_code ud_lv_qmp(struct ud_ctx *cx, virDomainPtr d, const char *command, const char *args,
	json_t **ret) UD_USE;
/* Does the definition have a guest agent's channel, and is it connected? */
enum ud_guest_agent ud_lv_agent_state(xmlNodePtr domain, struct ud_ctx *cx);
/* Thaw what an earlier process left frozen, and forget no watchdog: at open. */
void ud_lv_thaw_all(struct ud_ctx *cx, struct ud_lv *lv);
/* Wait for the watchdogs: at close. */
void ud_lv_freeze_end(struct ud_lv *lv);

/* Make a folder of the driver's own, and those above it. UD_E_UNAVAILABLE. */
enum ud_code ud_lv_make_folder(struct ud_ctx *cx, const char *path) UD_USE;
/* kvm or tcg, by booting something; kept for this boot of the host. */
void ud_lv_probe(struct ud_ctx *cx, struct ud_lv *lv);
/* The id of this boot of the host. */
enum ud_code ud_lv_host_boot(struct ud_ctx *cx, const char **ret) UD_USE;
/* Reduce a definition to what is allowed, in a new document; *ret_dropped names what was left out.
 * UD_E_VALIDATION. */
enum ud_code ud_lv_reduce(
	struct ud_ctx *cx, const char *text, ud_lv_doc **ret, const char **ret_dropped) UD_USE;

/* What of a VM, its disks aside, cannot be replicated or would be missed: a list of ud_blocker.
 * root and stored: its definition as it is, and as it is stored. */
const char *ud_lv_bars(struct ud_ctx *cx, xmlNodePtr root, const char *stored, bool transient);

/* True for a <kernel> that can go elsewhere, with the initrd beside it: files that we can read, of
 * 256 MiB together at most. */
bool ud_lv_boot_ships(struct ud_ctx *cx, xmlNodePtr kernel);

/* ---- the TPM ---- */

/* Name of the state's file, here and in a point. */
#define UD_LV_TPM_FILE "tpm2-00.permall"
/* True for a <tpm> whose state can go elsewhere: an emulator's of version 2.0, without a secret of
 * this host, and the only one. */
bool ud_lv_tpm_ships(struct ud_ctx *cx, xmlNodePtr tpm);
/* The state of a VM's TPM, in the arena; *ret_n 0 = there is none that ships. domain: the root of
 * its definition. UD_E_UNAVAILABLE. */
enum ud_code ud_lv_tpm_read(struct ud_ctx *cx, const struct ud_lv *lv, xmlNodePtr domain,
	const char **ret, size_t *ret_n) UD_USE;
/* Put a state where libvirt will look for that of this VM, which must not run. The codes of files.
 */
enum ud_code ud_lv_tpm_place(struct ud_ctx *cx, const struct ud_lv *lv, const char *uuid,
	const void *data, size_t n) UD_USE;
/* Remove the state of a VM that is no more. */
void ud_lv_tpm_clear(struct ud_ctx *cx, const struct ud_lv *lv, const char *uuid);
/* True when this host can emulate a TPM. */
bool ud_lv_tpm_can(struct ud_ctx *cx, const struct ud_lv *lv);

/* ---- slots: as agent/driver.h says of each, in the table's order ---- */
enum ud_code ud_lv_facts(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret) UD_USE;
enum ud_code ud_lv_inventory(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_visitor *visit, void *data)
	UD_USE;
enum ud_code ud_lv_machine(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_machine *ret) UD_USE;
enum ud_code ud_lv_sample(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_sampled *visit, void *data)
	UD_USE;
enum ud_code ud_lv_power_slot(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	enum ud_power *ret, const char **ret_raw) UD_USE;
enum ud_code ud_lv_start(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, unsigned flags)
	UD_USE;
enum ud_code ud_lv_shutdown(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms) UD_USE;
enum ud_code ud_lv_power_off(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_lv_save(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_lv_pause(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_lv_resume(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_lv_reset(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_lv_autostart(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, bool on) UD_USE;
enum ud_code ud_lv_pid(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int *ret) UD_USE;
enum ud_code ud_lv_screenshot(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const void **ret, size_t *ret_n) UD_USE;
enum ud_code ud_lv_guest_run(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_guest_program *program, struct ud_guest_ran *ret) UD_USE;
enum ud_code ud_lv_guest_write(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void *data, size_t n) UD_USE;
enum ud_code ud_lv_guest_read(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *path, const void **ret, size_t *ret_n) UD_USE;
enum ud_code ud_lv_freeze(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms)
	UD_USE;
enum ud_code ud_lv_thaw(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_lv_checkpoint_create(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *name, const char *kind, struct ud_checkpoint_info *ret) UD_USE;
enum ud_code ud_lv_checkpoint_list(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	ud_hv_checkpointed *visit, void *data) UD_USE;
enum ud_code ud_lv_checkpoint_apply(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name) UD_USE;
enum ud_code ud_lv_checkpoint_delete(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name) UD_USE;
enum ud_code ud_lv_limits_get(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_vm_limits *ret) UD_USE;
enum ud_code ud_lv_limits_set(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_vm_limits *limits) UD_USE;
enum ud_code ud_lv_export(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
	UD_USE;
enum ud_code ud_lv_import(
	struct ud_ctx *cx, struct ud_hv *hv, const char *text, const char **ret_uuid) UD_USE;
enum ud_code ud_lv_undefine(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid) UD_USE;
enum ud_code ud_lv_diagnose(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
	UD_USE;

#endif
