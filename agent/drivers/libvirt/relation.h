/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication in this driver: what is kept of a relation, and what its files say to each other.
 *
 * A relation has a folder (…/understudy/relations/ID): relation.json as it was set, state.json as
 * far as it came, sender/ of the sender, store-N of the replica, former.xml of a source that was
 * displaced. A thread of its own does the cycles of a source and the care of a target. Its work
 * lock is held by whoever moves it: a cycle, or a call that fails over; its fields are under the
 * book's lock.
 */
#ifndef AGENT_DRIVERS_LIBVIRT_RELATION_H
#define AGENT_DRIVERS_LIBVIRT_RELATION_H

#include <sys/stat.h>

#include "agent/drivers/libvirt/inside.h"
#include "agent/replication/receiver.h"
#include "agent/replication/sender.h"
#include "agent/replication/store.h"

enum { UD_LV_DISKS = 32, UD_LV_POINT_AGES = 64 };

/* state.json: what must outlive the process. */
struct ud_lv_state {
	unsigned state; /* enum ud_replication_state */
	/* source: our libvirt checkpoint that the target's newest point was taken with; "" = none,
	 * the next cycle is a whole one */
	const char *checkpoint;
	const char *point_id; /* source: newest point that the target has, as far as we know */
	/* source: a point that was begun, until we know whether the target has it */
	const char *pending_checkpoint, *pending_point;
	/* source: a first point that was written onto the medium, until the target has it */
	const char *exported;
	/* after a failover, at either end: the point that both were the same at, and the checkpoint
	 * in this host's disks whose bitmap tells what was written since; "" = nobody knows */
	const char *parted_point, *parted_checkpoint;
	bool compare;            /* source: bitmaps are not to be trusted, hashes are compared */
	int64_t resync_at_ms;    /* source: not before, by the wall clock; 0 = at once */
	int64_t n;               /* source: number for the next checkpoint */
	int64_t app_at_ms;       /* source: when the last point of a frozen guest was taken */
	int64_t store;           /* target: number of the store's folder; 0 = none yet */
	bool seed;               /* target: the store is filled from disks that are here first */
	const char *failed_over; /* target: point the VM was brought up from; "" = none */
	bool committed;
	bool displaced;        /* former source: its VM has left the hypervisor */
	const char *divergent; /* name of its kept disks; "" = they hold nothing of their own */
	int64_t divergent_bytes;
	int64_t cycles, missed, bytes_sent;
};
extern const struct ud_shape ud_lv_state_shape;

struct ud_lv_book;

/* A point's age is counted on our own clock from when it was published. */
struct ud_lv_point_age {
	char id[40];
	int64_t taken_mono_ms;
};

enum { UD_LV_BOOT_FILES = 2, UD_LV_BOOT_PIECES = 64 /* 256 MiB of both together */ };
/* A kernel or an initrd as it was found. */
struct ud_lv_boot_file {
	bool open;
	int fd;
	struct stat st;
	size_t pieces;
	char (*sums)[UD_SHA256_HEX]; /* of each piece */
};

struct ud_lv_relation {
	struct ud_lv_relation *next;
	struct ud_lv *lv;
	char *id, *dir; /* its name and its folder */
	pthread_mutex_t work;

	/* under the book's lock */
	ud_arena *arena; /* of relation and state; made anew when they are set */
	struct ud_relation relation;
	struct ud_lv_state state;
	char *error_code, *error_detail; /* NULL = none */
	struct ud_lv_point_age ages[UD_LV_POINT_AGES];
	size_t age_count;
	/* the newest durable point that was seen was taken then; 0 = none */
	int64_t newest_mono_ms;
	/* then the VM was off and its disks were the target's newest point, as the source has seen
	 * and the target was told, with that point's id; 0 = never */
	int64_t confirmed_mono_ms;
	char confirmed_id[40];
	int64_t last_cycle_ms, latency_ms, pending_bytes;
	int64_t next_due_mono_ms;
	bool poked, ending, gone, thread_runs;
	pthread_t thread;

	/* passing points on, scrubbing or a proof reads the store, which stays open */
	int borrowed;
	bool closing;   /* connections are being cut: who asks for the store is told no */
	int starts;     /* calls that start the VM: its images are not read meanwhile */
	bool reads_off; /* a cycle reads images of the VM, which is off */

	/* under the work lock */
	ud_sender *sender;
	int64_t sender_generation;
	ud_store *store; /* pointer under the book's lock, too */
	/* of its images, when all that was in them had been shipped; 0 = never */
	int64_t off_stamp;
	unsigned swept;   /* libvirt's id of the running VM that has nothing left over */
	unsigned awaited; /* libvirt's id of the running VM whose guest agent was waited for */
	int64_t app_again_mono_ms; /* a freeze that failed is tried again then */
	struct ud_lv_boot_file boot[UD_LV_BOOT_FILES];

	/* messages to the peer go beside the data, under a lock of their own */
	pthread_mutex_t talk;
	ud_sender *messenger;
	int64_t messenger_generation;
};

struct ud_lv_book {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct ud_lv_relation *relations;
	bool loaded; /* those of earlier processes are among them */
	ud_receiver *receiver;
	ud_arena *arena; /* of the settings */
	struct ud_hv_replication with;
	int port;
	pthread_t scrubber;
	bool scrubs, scrubs_no_more; /* the thread runs; it is to end */
};

/* ---- boot.c: a kernel and an initrd that are files of the host ---- */

/* Kernel and initrd of a definition, in pieces, behind the *ret_n files that are there; room for
 * UD_LV_BOOT_PIECES more. One that cannot be read or is too large stays here (ud_lv_boot_ships).
 * memory: of the last time; what the files read from. */
void ud_lv_boot_files(struct ud_ctx *cx, struct ud_lv_boot_file memory[UD_LV_BOOT_FILES],
	xmlNodePtr root, struct ud_ship_file *files, size_t *ret_n);
void ud_lv_boot_forget(struct ud_lv_boot_file *file);
/* Those of a point as files of this host, named in its definition; where the point has none it
 * stays as it is. name: of the clone. UD_E_VALIDATION: it then names what may be no boot file; the
 * codes of files. */
enum ud_code ud_lv_boot_place(struct ud_ctx *cx, struct ud_lv_relation *r, xmlNodePtr root,
	const char *point_id, const char *name) UD_USE;
/* Remove what was placed for a clone. */
void ud_lv_boot_clear(struct ud_ctx *cx, const struct ud_lv_relation *r, const char *name);

/* A disk's image. */
struct ud_lv_image {
	const char *target, *path, *format;
};

/* ---- book.c: what is kept of relations ---- */

/* A new one, in no book yet; its folder is not made. */
struct ud_lv_relation *ud_lv_relation_new(struct ud_ctx *cx, struct ud_lv *lv, const char *id);
/* Put it into the book, which frees it at close. */
void ud_lv_relation_add(struct ud_lv *lv, struct ud_lv_relation *r);
/* Free it; its thread has ended, and it is in no book. */
void ud_lv_relation_free(struct ud_lv_relation *r);
/* The relation of that id, or NULL; it stays until the driver is closed. */
struct ud_lv_relation *ud_lv_relation_find(struct ud_lv *lv, const char *id);
/* The same. UD_E_NOT_FOUND. */
enum ud_code ud_lv_relation_get(
	struct ud_ctx *cx, struct ud_lv *lv, const char *id, struct ud_lv_relation **ret) UD_USE;
/* The relation of a VM by its UUID, or NULL; not the one that passes its points on. */
struct ud_lv_relation *ud_lv_relation_of_vm(struct ud_lv *lv, const char *uuid);
/* Relation and state as they stand, copied into the arena. */
void ud_lv_relation_read(struct ud_ctx *cx, struct ud_lv_relation *r, struct ud_relation *ret,
	struct ud_lv_state *ret_state);
/* Store a state, on disk and in memory. UD_E_UNAVAILABLE. */
enum ud_code ud_lv_state_write(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_lv_state *state) UD_USE;
/* A row as JSON, in the arena. */
const char *ud_lv_row_text(struct ud_ctx *cx, const struct ud_shape *shape, const void *row);
/* Store a row on disk alone, in the relation's folder. UD_E_UNAVAILABLE. */
enum ud_code ud_lv_row_store(struct ud_ctx *cx, const struct ud_lv_relation *r, const char *name,
	const struct ud_shape *shape, const void *row) UD_USE;
/* Put both rows into memory alone, as copies; under the book's lock. */
void ud_lv_rows_keep(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, const struct ud_lv_state *state);
/* Say what is wrong, or NULL: nothing any more. */
void ud_lv_relation_error(struct ud_lv_relation *r, const char *code, const char *detail);
/* The server should hear of it soon. */
void ud_lv_relation_changed(struct ud_lv_relation *r);
/* Has the VM's data changed under our bitmaps' feet (a checkpoint was applied)? Then its relation
 * compares hashes. */
void ud_lv_content_changed(struct ud_ctx *cx, struct ud_lv *lv, const char *uuid);

/* ---- turns.c: the thread of a relation ---- */

/* Begin it, once. UD_E_UNAVAILABLE. */
enum ud_code ud_lv_relation_begin(struct ud_ctx *cx, struct ud_lv_relation *r) UD_USE;
/* Its next turn comes at once. */
void ud_lv_relation_poke(struct ud_lv_relation *r);
/* End what it does now and its thread. */
void ud_lv_relation_end(struct ud_lv_relation *r);
/* The relation's "initial"; as it was when it says none. */
enum ud_code ud_lv_initial_read(struct ud_ctx *cx, const struct ud_relation *relation,
	struct ud_relation_initial *ret) UD_USE;

/* ---- takeup.c ---- */

/* Are the relations of earlier processes known, too? */
bool ud_lv_relations_loaded(struct ud_lv *lv);
/* End all threads and the receiver: at close. */
void ud_lv_replication_end(struct ud_lv *lv);

/* ---- media.c: first copies that do not come over the link ---- */

/* The relation's folder below the one for media. UD_E_INVALID_STATE: there is none. */
enum ud_code ud_lv_media(struct ud_ctx *cx, struct ud_lv_relation *r, const char **ret) UD_USE;
/* Images in it, named after their disks. UD_E_NOT_FOUND: there are none. */
enum ud_code ud_lv_media_images(
	struct ud_ctx *cx, struct ud_lv_relation *r, struct ud_lv_image *ret, size_t *ret_n) UD_USE;
/* Is the first point to be written there? Then *ret is the folder, ready to be written to, else
 * NULL. */
enum ud_code ud_lv_media_wanted(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, const char **ret) UD_USE;
/* Take the first point in from there, when it is wanted and lies there; under the work lock. */
enum ud_code ud_lv_media_take(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_relation *relation) UD_USE;

/* ---- scratch.c: files for what a guest overwrites while a job is open ---- */

/* Make an empty one for each image, so that QEMU need not. False: at least one could not be made,
 * and there is none. */
bool ud_lv_scratch_make(
	struct ud_ctx *cx, const char *folder, const struct ud_lv_image *images, size_t n);
/* Remove all there is. */
void ud_lv_scratch_clear(struct ud_ctx *cx, const char *folder);

/* ---- parted.c: both ends wrote by themselves ---- */

/* A VM that was brought up and has not run yet: *ret_checkpoint begins to record what it writes; ""
 * = it cannot, and hashes will be compared. */
void ud_lv_parted_mark(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, const char **ret_checkpoint);
/* What the other end changed since the point, and what source calls dirty: *source becomes both.
 * UD_E_CONFLICT, UD_E_UNSUPPORTED: it cannot tell; *source is what it was. */
enum ud_code ud_lv_parted_union(struct ud_ctx *cx, struct ud_lv_relation *r, const char *point_id,
	ud_source **source) UD_USE;
/* The receiver's changed callback. */
enum ud_code ud_lv_parted_changed(struct ud_ctx *cx, void *data, const char *replication_id,
	const char *point_id, ud_extent_visitor *visit, const char *disk, void *visit_data) UD_USE;

/* ---- cycle.c: a source's cycles ---- */

/* One cycle under the work lock; makes a point of a running VM, or the last one of a VM that is
 * off. *ret (may be NULL): the point. */
enum ud_code ud_lv_cycle(
	struct ud_ctx *cx, struct ud_lv_relation *r, bool must_be_off, struct ud_point *ret) UD_USE;

/* ---- shipping.c ---- */

/* Ready a sender for the relation as it is set: the one in *sender when it is of this generation,
 * else a new one in its place. */
enum ud_code ud_lv_sender_ready(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, ud_sender **sender, int64_t *generation) UD_USE;

/* ---- job.c ---- */

/* Abort a backup job and wait until it is gone. */
enum ud_code ud_lv_job_end(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d) UD_USE;

/* ---- bitmaps.c: what is ours in libvirt ---- */

/* Is that the name of a checkpoint or bitmap of ours? */
bool ud_lv_is_ours(const char *name);
/* Has one of the images that target? */
bool ud_lv_is_among(const struct ud_lv_image *images, size_t n, const char *target);
/* A name for a checkpoint that was never used. */
const char *ud_lv_checkpoint_name(struct ud_ctx *cx, struct ud_lv_state *state);
/* Our checkpoint's definition: bitmaps for these images of all the VM's disks. */
const char *ud_lv_checkpoint_xml(struct ud_ctx *cx, const char *name, const char *const *all,
	size_t all_count, const struct ud_lv_image *images, size_t image_count);
/* Remove one checkpoint if it is ours; "" = none. */
void ud_lv_checkpoint_drop(virDomainPtr d, const char *name);
/* Remove our checkpoints and bitmaps of a VM. */
void ud_lv_checkpoints_drop(struct ud_ctx *cx, virDomainPtr d);

/* ---- leftovers.c: what cycles that were cut off have left in QEMU ---- */

/* libvirt runs no backup of the VM: end and remove what QEMU still has of one, and checkpoints and
 * bitmaps of ours that no relation goes by. Under the work lock of who may make one.
 * UD_E_HYPERVISOR, UD_E_NOT_IN_TIME. */
enum ud_code ud_lv_leftovers_clear(
	struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, const char *uuid) UD_USE;

/* ---- forward.c: the extended leg, at the host in the middle ---- */

/* Does it pass on the points of another relation's store? */
bool ud_lv_forwards(const struct ud_relation *relation);
/* Where what is passed on comes from: points of the replica here; the VM, since it was failed over
 * to this host for good; nowhere as long as that is not decided. *ret_first: the leg before, or
 * NULL; its work lock is to be held while the VM is read, which has one backup job at a time. */
enum ud_lv_onward { UD_LV_FROM_STORE, UD_LV_FROM_VM, UD_LV_FROM_NOWHERE };
enum ud_lv_onward ud_lv_onward(
	struct ud_lv *lv, const struct ud_relation *relation, struct ud_lv_relation **ret_first);
/* One cycle under the work lock: the newest point of the VM's replica here, if it is not over there
 * yet (*ret_new). */
enum ud_code ud_lv_forward(
	struct ud_ctx *cx, struct ud_lv_relation *r, bool *ret_new, struct ud_shipped *ret) UD_USE;
/* The relation ends: nothing is kept for it any more. */
void ud_lv_forward_end(struct ud_ctx *cx, struct ud_lv_relation *r);
/* Let go of the points that were passed on: the store goes its own way. */
enum ud_code ud_lv_forward_forget(struct ud_ctx *cx, ud_store *store) UD_USE;

/* ---- offline.c: images of VMs that are off, by qemu-nbd ---- */

/* QEMU gets no image that is just being read: the VM is to be started, so make cycles that read its
 * images stop, and keep others from beginning until the end is told. Not under a work lock. */
void ud_lv_start_begin(struct ud_lv *lv, const char *uuid);
void ud_lv_start_end(struct ud_lv *lv, const char *uuid);
/* A cycle is about to read the images of the relation's VM. False: the VM is being started. */
bool ud_lv_off_begin(struct ud_lv_relation *r);
/* It has ended. True: it was stopped because the VM is being started. */
bool ud_lv_off_end(struct ud_lv_relation *r);
typedef struct ud_lv_images ud_lv_images;
/* Serve images read-only; bitmap NULL = none. *ret_source reads them. UD_E_HYPERVISOR. */
enum ud_code ud_lv_images_open(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_lv_image *images, size_t n, const char *bitmap, ud_lv_images **ret,
	ud_source **ret_source) UD_USE;
void ud_lv_images_release(ud_lv_images **images);
/* Another number as soon as any of the images, which are files, was written to, by whomever; 0 =
 * one of them cannot be looked at. A device does not tell: it counts as never written to. */
int64_t ud_lv_images_stamp(const struct ud_lv_image *images, size_t n);
/* Are they what they were when they had that stamp? No when nobody can tell. */
bool ud_lv_images_untouched(int64_t stamp, const struct ud_lv_image *images, size_t n);
/* The images of a definition that hold data, without excluded ones; UD_LV_DISKS at most. */
enum ud_code ud_lv_images_of(struct ud_ctx *cx, xmlNodePtr root, const struct ud_texts *excluded,
	struct ud_lv_image *ret, size_t *ret_n) UD_USE;

/* ---- replica.c: a target's store ---- */

/* Remember when a point was taken, by its age now. */
void ud_lv_note_age(struct ud_lv_relation *r, const char *point_id, int64_t age_ms);

/* Open the relation's store, and make it when it is not there; under the work lock. */
enum ud_code ud_lv_store_open(struct ud_ctx *cx, struct ud_lv_relation *r) UD_USE;
/* Read the store, which is open, without the work lock: it is not closed until it is given back.
 * Who closes it waits for that, and takes it from the relation first, so look now and then. NULL:
 * it is not open. */
ud_store *ud_lv_store_borrow(struct ud_lv_relation *r);
void ud_lv_store_return(struct ud_lv_relation *r);
/* Cut connections and close it; under the work lock. */
void ud_lv_store_close(struct ud_lv_relation *r);
/* Cut the relation's connections and wait until they are gone; under the work lock. */
void ud_lv_cut(struct ud_lv_relation *r);
/* What a target does from time to time: seeding, merging; under the work lock. */
enum ud_code ud_lv_tend(struct ud_ctx *cx, struct ud_lv_relation *r) UD_USE;
/* Stop whoever passes the VM's points on, until it is begun again; under the book's lock. */
void ud_lv_forward_stop(struct ud_lv_book *book, const char *uuid);
/* Callbacks of the receiver. */
void ud_lv_receiver_calls(struct ud_lv *lv, struct ud_receiver_calls *ret);
/* Age of a point on our own clock. */
int64_t ud_lv_point_age(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_manifest *point);

/* ---- scrubs.c: replicas are read through by themselves ---- */

/* Begin, once; what is set for it is read anew for each replica. UD_E_UNAVAILABLE. */
enum ud_code ud_lv_scrubs_begin(struct ud_ctx *cx, struct ud_lv *lv) UD_USE;
/* End it, in the midst of one, too: the next process goes on there. */
void ud_lv_scrubs_end(struct ud_lv *lv);

/* ---- telling.c ---- */

/* Our credentials, without whom they are for. identity is NULL as long as there are none. */
struct ud_peer ud_lv_credentials(struct ud_ctx *cx, struct ud_lv *lv, enum ud_peer_auth auth);
/* What a relation's streams go by. */
enum ud_peer_auth ud_lv_auth(const struct ud_relation *relation);

/* ---- slots ---- */
/* As agent/driver.h says of each. */
enum ud_code ud_lv_replicate(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_replication *with, int *ret_port) UD_USE;
enum ud_code ud_lv_peer_ask(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	const char *message, const char **ret_answer) UD_USE;
enum ud_code ud_lv_relation_set(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation *relation, struct ud_relation_result *ret) UD_USE;
enum ud_code ud_lv_relation_drop(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_drop *drop, struct ud_relation_result *ret) UD_USE;
enum ud_code ud_lv_relation_resync(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_resync *resync, struct ud_relation_result *ret) UD_USE;
enum ud_code ud_lv_relation_test(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_test *test, struct ud_relation_tested *ret) UD_USE;
enum ud_code ud_lv_relations(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_related *visit, void *data)
	UD_USE;
enum ud_code ud_lv_points(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	ud_hv_pointed *visit, void *data) UD_USE;
enum ud_code ud_lv_point_verify(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_point_verify *verify, const struct ud_hv_leave *may,
	struct ud_point_verified *ret) UD_USE;
enum ud_code ud_lv_prepare(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	struct ud_point *ret) UD_USE;
enum ud_code ud_lv_fail_over(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret) UD_USE;
enum ud_code ud_lv_complete(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id) UD_USE;
enum ud_code ud_lv_cancel(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id) UD_USE;
enum ud_code ud_lv_displace(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hv_displaced *ret) UD_USE;
enum ud_code ud_lv_test_start(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_test *test,
	struct ud_hv_tested *ret) UD_USE;
enum ud_code ud_lv_test_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id) UD_USE;

#endif
