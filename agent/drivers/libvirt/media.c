/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First copies that do not come over the link: a point written onto a medium here and taken in from
 * it over there, and images that lie at the target already. Each relation has a folder of its own,
 * named after it, below the one that agent.conf names: nothing that comes over the network names a
 * path.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"

static const char part[] = "initial.udr.part";

enum ud_code ud_lv_media(struct ud_ctx *cx, struct ud_lv_relation *r, const char **ret)
{
	struct ud_lv_book *book = r->lv->book;

	pthread_mutex_lock(&book->lock);
	const char *media = ud_strdup(cx->arena, book->with.media);

	pthread_mutex_unlock(&book->lock);
	if (!media || !*media)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"No folder for media is named on this host ([replication] media).");
	*ret = ud_printf(cx->arena, "%s/%s", media, r->id);
	return UD_OK;
}

/* ---- images ---- */

struct looking {
	struct ud_ctx *cx;
	const char *folder;
	struct ud_lv_image *images;
	size_t count;
};

static void take_image(void *data, const char *name)
{
	static const char *const formats[] = { "qcow2", "raw" };
	struct looking *l = data;
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < UD_LEN(formats) && l->count < UD_LV_DISKS; i++) {
		const char *target = ud_strndup(l->cx->arena, name, (size_t)(dot - name));

		if (strcmp(dot + 1, formats[i]) != 0 || !ud_disk_name_valid(target))
			continue;
		l->images[l->count++] = (struct ud_lv_image){ target,
			ud_printf(l->cx->arena, "%s/%s", l->folder, name), formats[i] };
	}
}

enum ud_code ud_lv_media_images(
	struct ud_ctx *cx, struct ud_lv_relation *r, struct ud_lv_image *ret, size_t *ret_n)
{
	struct looking l = { .cx = cx, .images = ret };

	UD_TRY(ud_lv_media(cx, r, &l.folder));
	(void)cx->env->files->list(l.folder, take_image, &l);
	*ret_n = l.count;
	if (l.count > 0)
		return UD_OK;
	return ud_fail(cx, UD_E_NOT_FOUND, NULL, "No image lies in %s (DISK.qcow2 or DISK.raw).",
		l.folder);
}

/* ---- points ---- */

enum ud_code ud_lv_media_wanted(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, const char **ret)
{
	struct ud_relation_initial initial = { 0 };

	*ret = NULL;
	UD_TRY(ud_lv_initial_read(cx, relation, &initial));
	if (initial.method != UD_INITIAL_EXTERNAL_MEDIA)
		return UD_OK;
	UD_TRY(ud_lv_media(cx, r, ret));
	UD_TRY(ud_lv_make_folder(cx, *ret));
	/* of another moment: what it holds is not what will be read now */
	(void)cx->env->files->remove(ud_printf(cx->arena, "%s/%s", *ret, part));
	return UD_OK;
}

enum ud_code ud_lv_media_take(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_relation *relation)
{
	struct ud_relation_initial initial = { 0 };
	struct ud_stored_point newest = { 0 };
	const char *folder = NULL;

	UD_TRY(ud_lv_initial_read(cx, relation, &initial));
	if (initial.method != UD_INITIAL_EXTERNAL_MEDIA)
		return UD_OK;
	UD_TRY(ud_lv_media(cx, r, &folder));
	enum ud_code code = ud_store_import(cx, r->store, folder);

	if (code == UD_E_NOT_FOUND) { /* it is not here yet */
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(code);
	UD_TRY(ud_store_newest(cx, r->store, &newest));
	/* how long it was on its way no single clock tells: by the two hosts' */
	int64_t age = ud_now_ms(cx->env) - newest.point.taken_at.ms;

	ud_lv_note_age(r, newest.point.id, age > newest.point.age_ms ? age : newest.point.age_ms);
	ud_log(UD_LOG_INFO, "medium_taken_in", "relation", r->id, "point", newest.point.id, NULL);
	ud_lv_relation_changed(r);
	return UD_OK;
}
