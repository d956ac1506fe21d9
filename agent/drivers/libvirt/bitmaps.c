/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is ours in libvirt: checkpoints and their bitmaps. Names are never used twice:
 * ud-<generation of copies>-<number>.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/crypto.h"
#include "base/env.h"

#define PREFIX "ud-"

bool ud_lv_is_ours(const char *name)
{
	return name && strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

bool ud_lv_is_among(const struct ud_lv_image *images, size_t n, const char *target)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(images[i].target, target) == 0)
			return true;
	return false;
}

/* Remove a bitmap of ours that has no checkpoint any more; a VM that is off keeps it in its images,
 * where it does no harm until the VM runs again. */
static void drop_bitmaps(struct ud_ctx *cx, virDomainPtr d)
{
	json_t *nodes = NULL, *node;
	size_t i, k;

	if (virDomainIsActive(d) != 1 ||
		ud_lv_qmp(cx, d, "query-named-block-nodes", "{\"flat\":true}", &nodes) != UD_OK) {
		ud_ctx_clear(cx);
		return;
	}
	json_array_foreach(nodes, i, node)
	{
		const char *name = json_string_value(json_object_get(node, "node-name"));
		json_t *bitmaps = json_object_get(node, "dirty-bitmaps"), *bitmap;

		json_array_foreach(bitmaps, k, bitmap)
		{
			const char *is = json_string_value(json_object_get(bitmap, "name"));
			json_t *answer = NULL;

			if (!ud_lv_is_ours(is) || !name)
				continue;
			if (ud_lv_qmp(cx, d, "block-dirty-bitmap-remove",
				    ud_printf(cx->arena, "{\"node\":\"%s\",\"name\":\"%s\"}", name,
					    is),
				    &answer) == UD_OK)
				json_decref(answer);
			ud_ctx_clear(cx);
		}
	}
	json_decref(nodes);
}

void ud_lv_checkpoints_drop(struct ud_ctx *cx, virDomainPtr d)
{
	virDomainCheckpointPtr *all = NULL;
	int n = virDomainListAllCheckpoints(d, &all, 0);

	for (int i = 0; i < n; i++) {
		/* a plain delete fails when the bitmap is gone, and on a VM that is off */
		if (ud_lv_is_ours(virDomainCheckpointGetName(all[i])) &&
			virDomainCheckpointDelete(all[i], 0) < 0)
			(void)virDomainCheckpointDelete(
				all[i], VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY);
		virDomainCheckpointFree(all[i]);
	}
	ud_free(all);
	drop_bitmaps(cx, d);
}

void ud_lv_checkpoint_drop(virDomainPtr d, const char *name)
{
	UD_AUTO(ud_lv_checkpoint) *c = NULL;

	if (!ud_lv_is_ours(name))
		return;
	c = virDomainCheckpointLookupByName(d, name, 0);
	if (c && virDomainCheckpointDelete(c, 0) < 0)
		(void)virDomainCheckpointDelete(c, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY);
}

const char *ud_lv_checkpoint_xml(struct ud_ctx *cx, const char *name, const char *const *all,
	size_t all_count, const struct ud_lv_image *images, size_t image_count)
{
	struct ud_buf b = { 0 };

	ud_buf_printf(&b, "<domaincheckpoint><name>%s</name><disks>", name);
	for (size_t i = 0; i < all_count; i++)
		ud_buf_printf(&b, "<disk name='%s' checkpoint='%s'/>", all[i],
			ud_lv_is_among(images, image_count, all[i]) ? "bitmap" : "no");
	ud_buf_puts(&b, "</disks></domaincheckpoint>");
	return ud_buf_take(cx->arena, &b);
}

const char *ud_lv_checkpoint_name(struct ud_ctx *cx, struct ud_lv_state *state)
{
	unsigned char chance[4];

	ud_random(cx->env, chance, sizeof(chance));
	return ud_printf(
		cx->arena, PREFIX "%s-%lld", ud_hex(cx->arena, chance, 4), (long long)++state->n);
}
