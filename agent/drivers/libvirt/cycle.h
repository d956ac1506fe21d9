/* SPDX-License-Identifier: Apache-2.0 */
/* A cycle of a source under way, shared by the files that make one. */
#ifndef AGENT_DRIVERS_LIBVIRT_CYCLE_H
#define AGENT_DRIVERS_LIBVIRT_CYCLE_H

#include "agent/drivers/libvirt/relation.h"

struct ud_lv_cycle {
	struct ud_ctx *cx;
	struct ud_lv_relation *r;
	struct ud_lv *lv;
	virDomainPtr d;
	struct ud_relation relation;
	struct ud_lv_state state;
	struct ud_lv_image images[UD_LV_DISKS];
	size_t image_count;
	const char *all[UD_LV_DISKS]; /* targets of all disks, excluded ones, too */
	size_t all_count;
	const char *socket, *scratch;
	const char *checkpoint;  /* the new one */
	const char *base;        /* the one whose bitmap tells what is dirty; NULL = none does */
	bool fresh[UD_LV_DISKS]; /* by image: a disk that the base knows nothing of */
	const char *media;       /* folder that the point is written into; NULL = it is sent */
	bool missing;            /* the base is gone, and no bitmap is broken */
	bool waits;              /* for the medium to be taken in over there */
	bool gave_way;           /* to a call that starts the VM */
	bool confirmed;          /* the VM is off, and over there is all it has: nothing to do */
	enum ud_ship how;
	const char *parent;
	struct ud_manifest point;
	int64_t taken_mono_ms;
	int64_t begin_us, ship_us, end_us; /* what its parts took: the job's begin, and its end */
	/* watching the scratch files while the job is open */
	pthread_t watcher;
	bool watched, over; /* over: under the book's lock */
	bool cut_short;
};

/* ---- cycle.c ---- */

/* A step was taken; tests end the process there. */
void ud_lv_cycle_step(struct ud_lv_cycle *c, const char *step);

/* ---- job.c: the backup job ---- */

/* Begin it, of a frozen guest when that is due; the thaw comes whatever happens. *ret_broken: what
 * the base's bitmaps say is not to be trusted. */
enum ud_code ud_lv_job_begin(struct ud_lv_cycle *c, bool *ret_broken) UD_USE;
/* Watch it while it is open: it is aborted before scratch files stop the guest, and cut_short says
 * so. */
void ud_lv_job_watch(struct ud_lv_cycle *c);
/* Watch no longer. */
void ud_lv_job_watch_end(struct ud_lv_cycle *c);
/* The disks as they were when it began, and what of them is dirty since the base. */
enum ud_code ud_lv_job_source(struct ud_lv_cycle *c, ud_source **ret) UD_USE;

/* ---- shipping.c: what is shipped, and what is kept of it ---- */

/* What is to be shipped, from what the target has: how, base and parent; or it waits. */
enum ud_code ud_lv_ship_decide(struct ud_lv_cycle *c) UD_USE;
/* When both ends wrote by themselves: *source becomes what either calls dirty; or how becomes
 * hashes of all, where one cannot tell. UD_E_UNAVAILABLE. */
enum ud_code ud_lv_ship_unite(struct ud_lv_cycle *c, ud_source **source) UD_USE;
/* Name the point that is to be. */
void ud_lv_ship_point(struct ud_lv_cycle *c);
/* Ship it, or write it onto the medium. */
enum ud_code ud_lv_ship(struct ud_lv_cycle *c, ud_source *source, struct ud_shipped *ret) UD_USE;
/* What rotted over there is made good while the image of its newest point can still be read. The
 * point stands whatever comes of it. */
void ud_lv_ship_mend(struct ud_lv_cycle *c, ud_source *source, const struct ud_shipped *shipped);
/* The target has it: keep that, and let the old checkpoint go. */
enum ud_code ud_lv_ship_accept(struct ud_lv_cycle *c, const struct ud_shipped *shipped) UD_USE;

#endif
