/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening Hyper-V: the folder, the scripts in it, and one question that shows that the module
 * answers. Nothing stays open: each batch is a process of its own.
 */
#include <errno.h>
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/embed.h"
#include "base/env.h"
#include "base/file.h"

#define POWERSHELL "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
#define FOLDER "C:\\ProgramData\\Understudy\\hyperv"

extern const struct ud_embedded ud_hyperv_scripts[];

/* The value of an option in the query, or the standard. */
static char *option(struct ud_ctx *cx, const char *uri, const char *name, const char *standard)
{
	const char *query = strchr(uri, '?');
	size_t n = strlen(name);

	for (const char *at = query; at; at = strchr(at, '&')) {
		at++;
		if (strncmp(at, name, n) == 0 && at[n] == '=')
			return ud_heap_strdup(
				ud_strndup(cx->arena, at + n + 1, strcspn(at + n + 1, "&")));
	}
	return ud_heap_strdup(standard);
}

static enum ud_code make_folder(struct ud_ctx *cx, const char *path)
{
	enum { OWN = 0700 };
	int error = cx->env->files->make_folder(path, OWN);

	if (error == 0 || error == EEXIST)
		return UD_OK;
	return ud_fail(cx, UD_E_HYPERVISOR, NULL, "cannot make %s: %s", path, strerror(error));
}

static enum ud_code lay_out(struct ud_ctx *cx, const char *dir)
{
	enum { READ = 0600 };

	UD_TRY(make_folder(cx, dir));
	UD_TRY(make_folder(cx, ud_printf(cx->arena, "%s/relations", dir)));
	UD_TRY(make_folder(cx, ud_printf(cx->arena, "%s/tests", dir)));
	UD_TRY(make_folder(cx, ud_printf(cx->arena, "%s/guests", dir)));
	for (const struct ud_embedded *e = ud_hyperv_scripts; e->name; e++)
		UD_TRY(ud_file_write(
			cx, ud_printf(cx->arena, "%s/%s", dir, e->name), e->data, e->size, READ));
	return UD_OK;
}

static void close_it(struct ud_hv *hv)
{
	struct ud_hy *hy = ud_hy_of(hv);

	while (hy->loads) {
		struct ud_hy_load *l = hy->loads;

		hy->loads = l->next;
		ud_free(l);
	}
	pthread_cond_destroy(&hy->moved);
	pthread_mutex_destroy(&hy->lock);
	pthread_mutex_destroy(&hy->book);
	ud_free((char *)hy->with.listen);
	ud_free((char *)hy->with.media);
	ud_free(hy->dir);
	ud_free(hy->powershell);
	ud_free(hy);
}

static enum ud_code answers(struct ud_ctx *cx, struct ud_hv *hv)
{
	struct ud_hy_batch b;

	UD_TRY(lay_out(cx, ud_hy_of(hv)->dir));
	ud_hy_begin(cx, hv, &b);
	ud_hy_call(&b, "Get-VMHost", NULL);
	return ud_hy_run(&b, UD_HY_READ_MS);
}

static enum ud_code open_it(
	struct ud_ctx *cx, const char *uri, ud_hv_changed *changed, void *data, struct ud_hv **ret)
{
	struct ud_hy *hy = ud_malloc(sizeof(*hy));

	*hy = (struct ud_hy){ .hv = { &ud_driver_hyperv },
		.dir = option(cx, uri, "dir", FOLDER),
		.powershell = option(cx, uri, "powershell", POWERSHELL),
		.changed = changed,
		.data = data };
	pthread_mutex_init(&hy->lock, NULL);
	pthread_mutex_init(&hy->book, NULL);
	pthread_cond_init(&hy->moved, NULL);
	enum ud_code code = answers(cx, &hy->hv);

	if (code != UD_OK) {
		close_it(&hy->hv);
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "%s", cx->problem.detail);
	}
	*ret = &hy->hv;
	return UD_OK;
}

/* The channel is Hyper-V's own, with its own certificates: we say where it is, and listen nowhere.
 */
static enum ud_code replicate(
	struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_replication *with, int *ret_port)
{
	enum { HTTPS = 443 };
	struct ud_hy *hy = ud_hy_of(hv);
	const char *colon = with->listen ? strrchr(with->listen, ':') : NULL;

	(void)cx;
	pthread_mutex_lock(&hy->lock);
	ud_free((char *)hy->with.listen);
	ud_free((char *)hy->with.media);
	hy->with = (struct ud_hv_replication){ .listen = ud_heap_strdup(
						       with->listen ? with->listen : ""),
		.media = ud_heap_strdup(with->media ? with->media : ""),
		.changed = with->changed,
		.data = with->data };
	pthread_mutex_unlock(&hy->lock);
	*ret_port = colon ? atoi(colon + 1) : HTTPS;
	return UD_OK;
}

static const struct ud_hv_missing missing[] = {
	{ "freeze",
		"Hyper-V freezes a guest only within a production checkpoint: take one of those." },
	{ "thaw", "Hyper-V freezes a guest only within a production checkpoint." },
	{ "definition_import",
		"Hyper-V gives each new VM an id of its own: a replica's VM is made by its "
		"replication, and one that was removed is taken in again by a person (Import-VM)." },
	{ "peer_ask",
		"The channel between the hosts is Hyper-V's own and carries nothing of ours: use no "
		"fencing policy that asks the other host." },
	{ "point_verify",
		"Hyper-V tells no hashes of a replica's disks: a test failover shows what a point "
		"is worth." },
	{ 0 },
};

const struct ud_driver ud_driver_hyperv = {
	.name = "hyperv",
	.platform = "hyperv",
	.missing = missing,
	.open = open_it,
	.close = close_it,
	.facts = ud_hy_facts,
	.inventory = ud_hy_inventory,
	.machine = ud_hy_machine,
	.power = ud_hy_power,
	.sample = ud_hy_sample,
	.start = ud_hy_start,
	.shutdown = ud_hy_shutdown,
	.power_off = ud_hy_power_off,
	.save = ud_hy_save,
	.pause = ud_hy_pause,
	.resume = ud_hy_resume,
	.reset = ud_hy_reset,
	.autostart = ud_hy_autostart,
	.pid = ud_hy_pid,
	.screenshot = ud_hy_screenshot,
	.guest_run = ud_hy_guest_run,
	.guest_write = ud_hy_guest_write,
	.guest_read = ud_hy_guest_read,
	.checkpoint_create = ud_hy_checkpoint_create,
	.checkpoint_list = ud_hy_checkpoint_list,
	.checkpoint_apply = ud_hy_checkpoint_apply,
	.checkpoint_delete = ud_hy_checkpoint_delete,
	.limits_get = ud_hy_limits_get,
	.limits_set = ud_hy_limits_set,
	.upgrade = ud_hy_upgrade,
	.balance = ud_hy_balance,
	.team = ud_hy_team,
	.definition_export = ud_hy_definition,
	.undefine = ud_hy_undefine,
	.diagnose = ud_hy_diagnose,
	.selftest = ud_hy_selftest,
	.replicate = replicate,
	.relation_set = ud_hy_relation_set,
	.relation_drop = ud_hy_relation_drop,
	.relation_resync = ud_hy_relation_resync,
	.relation_test = ud_hy_relation_test,
	.relations = ud_hy_relations,
	.points = ud_hy_points,
	.prepare = ud_hy_prepare,
	.fail_over = ud_hy_fail_over,
	.complete = ud_hy_complete,
	.cancel = ud_hy_cancel,
	.displace = ud_hy_displace,
	.test_start = ud_hy_test_start,
	.test_drop = ud_hy_test_drop,
};
