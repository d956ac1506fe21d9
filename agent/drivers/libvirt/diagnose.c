/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person needs to find out what is wrong with a VM: its state, its guest's agent, its disks'
 * chains, jobs, checkpoints, the last events and QEMU's own log. A part that cannot be had says
 * why.
 */
#include <string.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/file.h"

enum {
	EVENTS_SHOWN = 200,
	LOG_MAX = 4 << 20,
	LOG_SHOWN = 16 << 10,
	IMAGE_MS = 30000,
	AGENT_MS = 2000
};

static void section(struct ud_buf *b, const char *name)
{
	ud_buf_printf(b, "== %s\n", name);
}

/* A failed part: its reason, and on. */
static void say_failed(struct ud_ctx *cx, struct ud_buf *b)
{
	ud_buf_printf(b, "not to be had: %s\n", cx->problem.detail ? cx->problem.detail : "");
	ud_ctx_clear(cx);
}

static void add_state(struct ud_ctx *cx, struct ud_buf *b, virDomainPtr d, xmlNodePtr root)
{
	enum ud_power power;
	const char *raw = NULL;

	section(b, "state");
	if (ud_lv_power(cx, d, &power, &raw) != UD_OK) {
		say_failed(cx, b);
		return;
	}
	ud_buf_printf(b, "%s: %s\nguest agent: %s\n", ud_powers.names[power], raw,
		ud_guest_agents.names[ud_lv_agent_state(root, cx)]);
}

static void add_agent(struct ud_ctx *cx, struct ud_buf *b, struct ud_lv *lv, virDomainPtr d)
{
	const char *answer = NULL;

	section(b, "guest agent");
	if (ud_lv_ask(cx, lv, d, "guest-fsfreeze-status", NULL, AGENT_MS, &answer) != UD_OK)
		say_failed(cx, b);
	else
		ud_buf_printf(b, "answers; file systems: %s\n", answer);
}

static void add_disks(struct ud_ctx *cx, struct ud_buf *b, xmlNodePtr root)
{
	section(b, "disks");
	for (xmlNodePtr disk = ud_lv_child(root, "devices/disk"); disk; disk = ud_lv_next(disk)) {
		const char *target = ud_lv_disk_target(cx, disk), *path = ud_lv_disk_path(cx, disk);
		const char *const argv[] = { "/usr/bin/qemu-img", "info", "--force-share",
			"--backing-chain", path, NULL };
		const char *text = NULL;

		if (!target)
			continue;
		ud_buf_printf(b, "-- %s\n", target);
		if (!path)
			ud_buf_puts(b, "no file\n");
		else if (ud_lv_run(cx, argv, IMAGE_MS, &text) != UD_OK)
			say_failed(cx, b);
		else
			ud_buf_puts(b, text);
	}
}

static void add_jobs(struct ud_ctx *cx, struct ud_buf *b, virDomainPtr d)
{
	virDomainJobInfo job = { 0 };
	virDomainCheckpointPtr *all = NULL;
	int n = virDomainListAllCheckpoints(d, &all, 0);

	(void)cx;
	section(b, "jobs and bitmaps");
	if (virDomainGetJobInfo(d, &job) == 0)
		ud_buf_printf(b, "job type %d, %llu ms\n", job.type, job.timeElapsed);
	for (int i = 0; i < n; i++) {
		ud_buf_printf(b, "checkpoint %s\n", virDomainCheckpointGetName(all[i]));
		virDomainCheckpointFree(all[i]);
	}
	ud_free(all);
}

static void add_events(struct ud_buf *b, struct ud_lv *lv, const char *uuid)
{
	size_t shown = 0;

	section(b, "events");
	pthread_mutex_lock(&lv->lock);
	size_t held = lv->event_count < UD_LV_EVENTS ? lv->event_count : UD_LV_EVENTS;

	for (size_t i = 0; i < held && shown < EVENTS_SHOWN; i++) {
		const struct ud_lv_event *e = &lv->events[(lv->event_count - 1 - i) % UD_LV_EVENTS];
		char at[UD_TIME_TEXT];

		if (strcmp(e->uuid, uuid) != 0)
			continue;
		ud_time_format(e->at_ms, at);
		ud_buf_printf(b, "%s %s\n", at, e->text);
		shown++;
	}
	pthread_mutex_unlock(&lv->lock);
}

static void add_log(struct ud_ctx *cx, struct ud_buf *b, struct ud_lv *lv, virDomainPtr d)
{
	const char *text = NULL;
	size_t n;
	const char *path = ud_printf(cx->arena, "%s%s/%s.log", lv->root ? lv->root : "",
		lv->root ? "/log/qemu" : "/var/log/libvirt/qemu", virDomainGetName(d));

	section(b, "log of QEMU");
	if (ud_file_read(cx, path, LOG_MAX, &text, &n) != UD_OK) {
		say_failed(cx, b);
		return;
	}
	ud_buf_puts(b, n > LOG_SHOWN ? text + n - LOG_SHOWN : text);
}

enum ud_code ud_lv_diagnose(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	UD_AUTO(ud_lv_doc) *doc = NULL;
	struct ud_buf b = { 0 };

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(ud_lv_definition(cx, d, 0, &doc));
	xmlNodePtr root = xmlDocGetRootElement(doc);

	add_state(cx, &b, d, root);
	add_agent(cx, &b, lv, d);
	add_disks(cx, &b, root);
	add_jobs(cx, &b, d);
	add_events(&b, lv, uuid);
	section(&b, "definition");
	ud_buf_puts(&b, ud_lv_text_of(cx, doc));
	add_log(cx, &b, lv, d);
	*ret = ud_buf_take(cx->arena, &b);
	return UD_OK;
}
