/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images are not asked for while one is being made. QEMU 7.2 ends itself when it is to list its
 * images ("query-named-block-nodes", behind figures of disks) while one is half made, as scratch
 * files and overlays are at the begin of a backup job or a checkpoint: assertion in
 * qcow2_get_specific_info. libvirt lets both go on beside each other; we do not.
 */
#include <string.h>

#include "agent/drivers/libvirt/inside.h"

struct ud_lv_in_work {
	struct ud_lv_in_work *next;
	char uuid[VIR_UUID_STRING_BUFLEN];
	int making, looking;
};

/* Of a VM; made when there is none. Under the lock. */
static struct ud_lv_in_work *of(struct ud_lv *lv, const char *uuid)
{
	struct ud_lv_in_work *w = lv->in_work;

	while (w && strcmp(w->uuid, uuid) != 0)
		w = w->next;
	if (!w) {
		w = ud_malloc(sizeof(*w));
		*w = (struct ud_lv_in_work){ .next = lv->in_work };
		strncpy(w->uuid, uuid, sizeof(w->uuid) - 1);
		lv->in_work = w;
	}
	return w;
}

void ud_lv_make_begin(struct ud_lv *lv, const char *uuid)
{
	pthread_mutex_lock(&lv->lock);
	struct ud_lv_in_work *w = of(lv, uuid);

	w->making++;
	while (w->looking > 0)
		pthread_cond_wait(&lv->moved, &lv->lock);
	pthread_mutex_unlock(&lv->lock);
}

void ud_lv_make_end(struct ud_lv *lv, const char *uuid)
{
	pthread_mutex_lock(&lv->lock);
	of(lv, uuid)->making--;
	pthread_cond_broadcast(&lv->moved);
	pthread_mutex_unlock(&lv->lock);
}

bool ud_lv_look_begin(struct ud_lv *lv, const char *uuid, bool wait)
{
	pthread_mutex_lock(&lv->lock);
	struct ud_lv_in_work *w = of(lv, uuid);

	while (wait && w->making > 0)
		pthread_cond_wait(&lv->moved, &lv->lock);
	bool free = w->making == 0;

	w->looking += free;
	pthread_mutex_unlock(&lv->lock);
	return free;
}

void ud_lv_look_end(struct ud_lv *lv, const char *uuid)
{
	pthread_mutex_lock(&lv->lock);
	of(lv, uuid)->looking--;
	pthread_cond_broadcast(&lv->moved);
	pthread_mutex_unlock(&lv->lock);
}

void ud_lv_in_work_free(struct ud_lv *lv)
{
	while (lv->in_work) {
		struct ud_lv_in_work *w = lv->in_work;

		lv->in_work = w->next;
		ud_free(w);
	}
}
