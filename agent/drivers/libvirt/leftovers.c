/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cycles leave in QEMU when they are cut off. libvirt writes a backup into the VM's status
 * only after QEMU has begun it; when it dies before, the next process knows nothing of the jobs,
 * the NBD server, the scratch images and the bitmaps that are there already, each of which stands
 * in the way of the next begin. And a checkpoint that is dropped while the VM is off leaves its
 * bitmaps in the images. QEMU is asked for all that, and it is taken away; a bitmap of ours is kept
 * when a relation goes by its checkpoint. The one of the checkpoint before has gone on recording,
 * so that nothing of what the guest wrote is lost.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/log.h"

enum { END_MS = 30000, LOOK_MS = 100 };
/* what libvirt calls a job, and its bitmap, before the name of the disk */
static const char temporary[] = "backup-";

/* What was found and taken away. */
struct found {
	size_t jobs, bitmaps, images;
};

static bool begins(const char *text, const char *with)
{
	return text && strncmp(text, with, strlen(with)) == 0;
}

static const char *text_of(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* What may fail: it was gone already, or the begin to come will say what is wrong. */
static bool say(struct ud_ctx *cx, virDomainPtr d, const char *command, const char *args)
{
	json_t *answer = NULL;
	bool ok = ud_lv_qmp(cx, d, command, args, &answer) == UD_OK;

	json_decref(answer);
	ud_ctx_clear(cx);
	return ok;
}

/* ---- jobs ---- */

/* Tell each backup job to end; *ret_left: how many there are still. */
static enum ud_code cancel_jobs(struct ud_ctx *cx, virDomainPtr d, size_t *ret_left)
{
	json_t *jobs = NULL, *job;
	size_t i;

	*ret_left = 0;
	UD_TRY(ud_lv_qmp(cx, d, "query-jobs", NULL, &jobs));
	json_array_foreach(jobs, i, job)
	{
		const char *id = text_of(job, "id"), *type = text_of(job, "type");
		const char *status = text_of(job, "status");

		if (!begins(id, temporary) || !type || strcmp(type, "backup") != 0 || !status)
			continue;
		(void)say(cx, d, strcmp(status, "concluded") == 0 ? "job-dismiss" : "job-cancel",
			ud_printf(cx->arena, "{\"id\":\"%s\"}", id));
		++*ret_left;
	}
	json_decref(jobs);
	return UD_OK;
}

static enum ud_code end_jobs(
	struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, struct found *found)
{
	int64_t last = ud_mono_ms(cx->env) + END_MS;
	size_t left = 0;

	for (;;) {
		size_t seen = ud_lv_events(lv);

		UD_TRY(cancel_jobs(cx, d, &left));
		if (!left)
			return UD_OK;
		if (!found->jobs)
			found->jobs = left;
		if (ud_mono_ms(cx->env) >= last)
			return ud_fail(cx, UD_E_NOT_IN_TIME, NULL,
				"A backup job that was cut off does not end.");
		ud_lv_wait_event(lv, seen, LOOK_MS);
	}
}

/* ---- bitmaps ---- */

static bool has_checkpoint(virDomainPtr d, const char *name)
{
	UD_AUTO(ud_lv_checkpoint) *c = virDomainCheckpointLookupByName(d, name, 0);

	return c != NULL;
}

static bool is_left(virDomainPtr d, json_t *bitmap)
{
	const char *name = text_of(bitmap, "name");

	if (begins(name, temporary))
		return !json_is_true(json_object_get(bitmap, "persistent"));
	return ud_lv_is_ours(name) && !has_checkpoint(d, name);
}

static void drop_bitmaps(struct ud_ctx *cx, virDomainPtr d, json_t *node, struct found *found)
{
	json_t *bitmap;
	size_t i;

	json_array_foreach(json_object_get(node, "dirty-bitmaps"), i, bitmap)
	{
		if (is_left(d, bitmap))
			found->bitmaps += say(cx, d, "block-dirty-bitmap-remove",
				ud_printf(cx->arena, "{\"node\":\"%s\",\"name\":\"%s\"}",
					text_of(node, "node-name"), text_of(bitmap, "name")));
	}
}

/* ---- scratch images ---- */

/* Is it in a scratch folder of any relation of ours? */
static bool is_scratch(const struct ud_lv *lv, json_t *node)
{
	const char *file = text_of(node, "file");
	const char *at = file ? strstr(file, lv->dir) : NULL;

	return at && strstr(at, "/scratch/") != NULL;
}

/* An image lets go of its file first. */
static void drop_scratch(
	struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, json_t *nodes, struct found *found)
{
	json_t *node;
	size_t i;

	for (int files = 0; files <= 1; files++)
		json_array_foreach(nodes, i, node)
		{
			const char *driver = text_of(node, "drv");

			if (driver && (strcmp(driver, "file") == 0) == files &&
				is_scratch(lv, node))
				found->images += say(cx, d, "blockdev-del",
					ud_printf(cx->arena, "{\"node-name\":\"%s\"}",
						text_of(node, "node-name")));
		}
}

/* ---- checkpoints ---- */

static bool is_named(const struct ud_lv_state *s, const char *name)
{
	return strcmp(s->checkpoint, name) == 0 || strcmp(s->pending_checkpoint, name) == 0 ||
		strcmp(s->parted_checkpoint, name) == 0;
}

/* Does any relation of the VM go by it? */
static bool is_known(struct ud_lv *lv, const char *uuid, const char *name)
{
	bool known = false;

	pthread_mutex_lock(&lv->book->lock);
	for (struct ud_lv_relation *r = lv->book->relations; r && !known; r = r->next)
		known = strcmp(r->relation.uuid, uuid) == 0 && is_named(&r->state, name);
	pthread_mutex_unlock(&lv->book->lock);
	return known;
}

/* Those that were to go when the process was killed: each would record on for ever. */
static void drop_unknown(struct ud_lv *lv, virDomainPtr d, const char *uuid)
{
	virDomainCheckpointPtr *all = NULL;
	int n = virDomainListAllCheckpoints(d, &all, 0);

	for (int i = 0; i < n; i++) {
		const char *name = virDomainCheckpointGetName(all[i]);

		if (ud_lv_is_ours(name) && !is_known(lv, uuid, name))
			ud_lv_checkpoint_drop(d, name);
		virDomainCheckpointFree(all[i]);
	}
	ud_free(all);
}

static void tell(struct ud_ctx *cx, const char *uuid, const struct found *found)
{
	if (found->jobs || found->bitmaps || found->images)
		ud_log(UD_LOG_WARNING, "backup_leftovers", "vm", uuid, "removed",
			ud_printf(cx->arena, "jobs=%zu,bitmaps=%zu,images=%zu", found->jobs,
				found->bitmaps, found->images),
			NULL);
}

enum ud_code ud_lv_leftovers_clear(
	struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, const char *uuid)
{
	struct found found = { 0 };
	json_t *nodes = NULL, *node;
	size_t i;

	UD_TRY(end_jobs(cx, lv, d, &found));
	(void)say(cx, d, "nbd-server-stop", NULL);
	drop_unknown(lv, d, uuid);
	UD_TRY(ud_lv_qmp(cx, d, "query-named-block-nodes", "{\"flat\":true}", &nodes));
	json_array_foreach(nodes, i, node)
	{
		drop_bitmaps(cx, d, node, &found);
	}
	drop_scratch(cx, lv, d, nodes, &found);
	json_decref(nodes);
	tell(cx, uuid, &found);
	return UD_OK;
}
