/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing libvirt, and its events. libvirt's event loop must be registered and running
 * before the first connection; one thread of ours runs it for the life of the process. Events come
 * on that thread: they are noted, waiters are woken, and the owner is told.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"

static const char scheme[] = "qemu:///embed?root=";
static const char system_dir[] = "/var/lib/understudy/kvm";

/* ---- the loop ---- */

static pthread_once_t loop_once = PTHREAD_ONCE_INIT;
static bool loop_runs;

static void *run_loop(void *data)
{
	(void)data;
	for (;;)
		if (virEventRunDefaultImpl() < 0)
			ud_log(UD_LOG_ERROR, "hypervisor_events", "reason", "the loop failed",
				NULL);
	return NULL;
}

static void quiet(void *data, virErrorPtr error)
{
	(void)data, (void)error; /* ud_lv_fail reports what matters */
}

static void begin_loop(void)
{
	pthread_t thread;

	virSetErrorFunc(NULL, quiet);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
		return;
	if (pthread_create(&thread, NULL, run_loop, NULL) != 0)
		return;
	pthread_detach(thread);
	loop_runs = true;
}

/* ---- events ---- */

static void note(struct ud_lv *lv, virDomainPtr d, const char *text, int number, const char *detail)
{
	char uuid[VIR_UUID_STRING_BUFLEN] = "";

	if (virDomainGetUUIDString(d, uuid) < 0)
		return;
	pthread_mutex_lock(&lv->lock);
	struct ud_lv_event *e = &lv->events[lv->event_count++ % UD_LV_EVENTS];

	e->at_ms = ud_now_ms(&ud_env_real);
	memcpy(e->uuid, uuid, sizeof(e->uuid));
	snprintf(e->text, sizeof(e->text), "%s %d %s", text, number, detail);
	pthread_cond_broadcast(&lv->moved);
	pthread_mutex_unlock(&lv->lock);
	if (lv->changed)
		lv->changed(lv->data, uuid);
}

static const char *const lifecycle_names[] = { "defined", "undefined", "started", "suspended",
	"resumed", "stopped", "shutdown", "pmsuspended", "crashed" };

static int on_lifecycle(virConnectPtr conn, virDomainPtr d, int event, int detail, void *data)
{
	(void)conn;
	bool known = event >= 0 && (size_t)event < UD_LEN(lifecycle_names);

	note(data, d, "lifecycle", detail, known ? lifecycle_names[event] : "");
	return 0;
}

static void on_reboot(virConnectPtr conn, virDomainPtr d, void *data)
{
	(void)conn;
	note(data, d, "reboot", 0, "");
}

static void on_io_error(virConnectPtr conn, virDomainPtr d, const char *path, const char *device,
	int action, const char *reason, void *data)
{
	(void)conn, (void)path, (void)device;
	note(data, d, "io_error", action, reason);
}

static void on_agent(virConnectPtr conn, virDomainPtr d, int state, int reason, void *data)
{
	(void)conn, (void)reason;
	note(data, d, "guest_agent", state,
		state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED ? "connected"
										  : "gone");
}

static void on_device(virConnectPtr conn, virDomainPtr d, const char *alias, void *data)
{
	(void)conn;
	note(data, d, "device_added", 0, alias);
}

static void on_removed(virConnectPtr conn, virDomainPtr d, const char *alias, void *data)
{
	(void)conn;
	note(data, d, "device_removed", 0, alias);
}

static void on_job(
	virConnectPtr conn, virDomainPtr d, virTypedParameterPtr params, int n, void *data)
{
	(void)conn, (void)params;
	note(data, d, "job_completed", n, "");
}

static void on_metadata(virConnectPtr conn, virDomainPtr d, int type, const char *uri, void *data)
{
	(void)conn;
	note(data, d, "metadata", type, uri ? uri : "");
}

static enum ud_code listen_to_events(struct ud_ctx *cx, struct ud_lv *lv)
{
	static const struct {
		int id;
		virConnectDomainEventGenericCallback call;
	} wanted[] = {
		{ VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle) },
		{ VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot) },
		{ VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, VIR_DOMAIN_EVENT_CALLBACK(on_io_error) },
		{ VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_agent) },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device) },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_removed) },
		{ VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, VIR_DOMAIN_EVENT_CALLBACK(on_job) },
		{ VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_metadata) },
	};

	_Static_assert(UD_LEN(wanted) == UD_LEN(lv->callbacks), "room for every callback");
	for (size_t i = 0; i < UD_LEN(wanted); i++) {
		int id = virConnectDomainEventRegisterAny(
			lv->conn, NULL, wanted[i].id, wanted[i].call, lv, NULL);

		if (id < 0)
			return ud_lv_fail(cx, "listen to events");
		lv->callbacks[lv->callback_count++] = id;
	}
	return UD_OK;
}

size_t ud_lv_events(struct ud_lv *lv)
{
	pthread_mutex_lock(&lv->lock);
	size_t n = lv->event_count;

	pthread_mutex_unlock(&lv->lock);
	return n;
}

void ud_lv_wait_event(struct ud_lv *lv, size_t seen, int64_t ms)
{
	struct timespec until;

	ud_deadline(ms, &until);
	pthread_mutex_lock(&lv->lock);
	while (lv->event_count == seen &&
		pthread_cond_timedwait(&lv->moved, &lv->lock, &until) == 0)
		;
	pthread_mutex_unlock(&lv->lock);
}

/* ---- open and close ---- */

enum ud_code ud_lv_make_folder(struct ud_ctx *cx, const char *path)
{
	for (const char *at = path; at;) {
		at = strchr(at + 1, '/');
		const char *part = at ? ud_strndup(cx->arena, path, (size_t)(at - path)) : path;
		int e = cx->env->files->make_folder(part, 0700);

		if (e != 0 && e != EEXIST)
			return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot make %s: %s", part,
				strerror(e));
	}
	return UD_OK;
}

/*
 * Settings of an embed root: QEMU runs as we do, without what a system's daemon would add. dbus,
 * systemd, cgroups and virtlogd are not asked for. What is there already is left.
 */
static enum ud_code settle_root(struct ud_ctx *cx, const char *root)
{
	static const char settings[] = "security_driver = \"none\"\n"
				       "dynamic_ownership = 0\n"
				       "remember_owner = 0\n"
				       "cgroup_controllers = [ ]\n"
				       "namespaces = [ ]\n"
				       "stdio_handler = \"file\"\n";
	const char *path = ud_printf(cx->arena, "%s/etc/qemu.conf", root);
	const char *text = settings;
	const char *there = NULL;
	size_t n;

	if (ud_file_read(cx, path, 1 << 20, &there, &n) == UD_OK)
		return UD_OK;
	ud_ctx_clear(cx);
	UD_TRY(ud_lv_make_folder(cx, ud_printf(cx->arena, "%s/etc", root)));
	if (getuid() == 0)
		text = ud_printf(cx->arena,
			"user = \"root\"\ngroup = \"root\"\n"
			"swtpm_user = \"root\"\nswtpm_group = \"root\"\n%s",
			settings);
	return ud_file_write(cx, path, text, strlen(text), 0644);
}

/* ---- what was cut off ---- */

enum { STATUS_MAX = 4 << 20 };

struct status_files {
	struct ud_ctx *cx;
	const char *folder;
};

/*
 * libvirt keeps in a VM's status what it was doing, and has no way to let go of some of it when the
 * process was killed: of a start, after which the VM could not be asked anything any more; and of a
 * backup that it has not written down itself yet, after which none could ever begin. Without that
 * word it does what is right: a guest that has not run is ended, one that runs is kept. What QEMU
 * had begun meanwhile is ended by the next cycle (leftovers.c).
 */
static const struct held {
	const char *word;   /* what stands in the status */
	const char *unless; /* libvirt can go on from there by itself; NULL = never */
	const char *event;
} held[] = {
	{ "async='start'", NULL, "start_was_cut_off" },
	{ "async='backup'", "<domainbackup", "backup_was_cut_off" },
};

static void free_one(struct status_files *s, const char *path, const char *text)
{
	struct ud_ctx *cx = s->cx;

	for (size_t i = 0; i < UD_LEN(held); i++) {
		const char *at = strstr(text, held[i].word);

		if (!at || (held[i].unless && strstr(text, held[i].unless)))
			continue;
		text = ud_printf(cx->arena, "%.*sasync='none'%s", (int)(at - text), text,
			at + strlen(held[i].word));
		if (ud_file_write(cx, path, text, strlen(text), 0600) == UD_OK)
			ud_log(UD_LOG_WARNING, held[i].event, "status", path, NULL);
		return;
	}
}

static void free_status(void *data, const char *name)
{
	struct status_files *s = data;
	const char *path = ud_printf(s->cx->arena, "%s/%s", s->folder, name), *text = NULL;
	size_t length = strlen(name), n = 0;

	if (length < 4 || strcmp(name + length - 4, ".xml") != 0)
		return;
	if (ud_file_read(s->cx, path, STATUS_MAX, &text, &n) == UD_OK)
		free_one(s, path, text);
	ud_ctx_clear(s->cx);
}

static void free_what_was_cut_off(struct ud_ctx *cx, const char *root)
{
	struct status_files s = { cx, ud_printf(cx->arena, "%s/run/qemu", root) };

	/* there is no such folder before the first start */
	(void)!cx->env->files->list(s.folder, free_status, &s);
}

static enum ud_code take_root(struct ud_ctx *cx, const char *uri, struct ud_lv *lv)
{
	if (strncmp(uri, scheme, strlen(scheme)) != 0) {
		lv->dir = ud_heap_strdup(system_dir);
		return UD_OK;
	}
	const char *root = uri + strlen(scheme);

	if (*root != '/' || strlen(root) > UD_LV_ROOT_MAX || strchr(root, '&') || strchr(root, '%'))
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"the root of %s must be an absolute path of at most %d characters", uri,
			UD_LV_ROOT_MAX);
	lv->root = ud_heap_strdup(root);
	lv->dir = ud_heap_strdup(ud_printf(cx->arena, "%s/understudy", root));
	free_what_was_cut_off(cx, root);
	return settle_root(cx, root);
}

static enum ud_code connect_to(struct ud_ctx *cx, const char *uri, struct ud_lv *lv)
{
	UD_TRY(take_root(cx, uri, lv));
	UD_TRY(ud_lv_make_folder(cx, lv->dir));
	lv->conn = virConnectOpen(uri);
	if (!lv->conn)
		return ud_lv_fail(cx, "open the hypervisor");
	UD_TRY(listen_to_events(cx, lv));
	ud_lv_thaw_all(cx, lv);
	ud_lv_probe(cx, lv);
	return UD_OK;
}

static void close_it(struct ud_hv *hv)
{
	struct ud_lv *lv = ud_lv_of(hv);

	ud_lv_replication_end(lv);
	ud_lv_freeze_end(lv);
	ud_lv_in_work_free(lv);
	ud_lv_said_free(lv);
	for (size_t i = 0; i < lv->callback_count; i++)
		virConnectDomainEventDeregisterAny(lv->conn, lv->callbacks[i]);
	if (lv->conn)
		virConnectClose(lv->conn);
	pthread_cond_destroy(&lv->moved);
	pthread_mutex_destroy(&lv->lock);
	ud_free(lv->root);
	ud_free(lv->dir);
	ud_free(lv);
}

static enum ud_code open_it(
	struct ud_ctx *cx, const char *uri, ud_hv_changed *changed, void *data, struct ud_hv **ret)
{
	pthread_condattr_t attr;

	pthread_once(&loop_once, begin_loop);
	if (!loop_runs)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "libvirt does not start");
	struct ud_lv *lv = ud_malloc(sizeof(*lv));

	lv->hv.driver = &ud_driver_libvirt;
	lv->changed = changed;
	lv->data = data;
	pthread_mutex_init(&lv->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&lv->moved, &attr);
	lv->book = ud_malloc(sizeof(*lv->book));
	pthread_mutex_init(&lv->book->lock, NULL);
	pthread_cond_init(&lv->book->moved, &attr);
	pthread_condattr_destroy(&attr);
	enum ud_code code = connect_to(cx, uri, lv);

	if (code != UD_OK) {
		close_it(&lv->hv);
		return code;
	}
	*ret = &lv->hv;
	return UD_OK;
}

static const struct ud_hv_missing missing[] = {
	{ "upgrade",
		"KVM keeps the type of the virtual board in the definition: change it there, with the VM "
		"off." },
	{ "balance", "KVM hosts are in no cluster of the hypervisor's own." },
	{ "team", "Teams of network cards are the host's: set its bond or bridge." },
	{ 0 },
};

const struct ud_driver ud_driver_libvirt = {
	.name = "libvirt",
	.platform = "kvm",
	.missing = missing,
	.open = open_it,
	.close = close_it,
	.facts = ud_lv_facts,
	.inventory = ud_lv_inventory,
	.machine = ud_lv_machine,
	.power = ud_lv_power_slot,
	.sample = ud_lv_sample,
	.start = ud_lv_start,
	.shutdown = ud_lv_shutdown,
	.power_off = ud_lv_power_off,
	.save = ud_lv_save,
	.pause = ud_lv_pause,
	.resume = ud_lv_resume,
	.reset = ud_lv_reset,
	.autostart = ud_lv_autostart,
	.pid = ud_lv_pid,
	.screenshot = ud_lv_screenshot,
	.guest_run = ud_lv_guest_run,
	.guest_write = ud_lv_guest_write,
	.guest_read = ud_lv_guest_read,
	.freeze = ud_lv_freeze,
	.thaw = ud_lv_thaw,
	.checkpoint_create = ud_lv_checkpoint_create,
	.checkpoint_list = ud_lv_checkpoint_list,
	.checkpoint_apply = ud_lv_checkpoint_apply,
	.checkpoint_delete = ud_lv_checkpoint_delete,
	.limits_get = ud_lv_limits_get,
	.limits_set = ud_lv_limits_set,
	.definition_export = ud_lv_export,
	.definition_import = ud_lv_import,
	.undefine = ud_lv_undefine,
	.diagnose = ud_lv_diagnose,
	.replicate = ud_lv_replicate,
	.peer_ask = ud_lv_peer_ask,
	.relation_set = ud_lv_relation_set,
	.relation_drop = ud_lv_relation_drop,
	.relation_resync = ud_lv_relation_resync,
	.relation_test = ud_lv_relation_test,
	.relations = ud_lv_relations,
	.points = ud_lv_points,
	.point_verify = ud_lv_point_verify,
	.prepare = ud_lv_prepare,
	.fail_over = ud_lv_fail_over,
	.complete = ud_lv_complete,
	.cancel = ud_lv_cancel,
	.displace = ud_lv_displace,
	.test_start = ud_lv_test_start,
	.test_drop = ud_lv_test_drop,
};
