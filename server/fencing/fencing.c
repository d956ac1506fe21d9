/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two kinds of work. Nothing is kept in memory: the device says how the host is.
 */
#include "server/fencing/fencing.h"

#include <string.h>

#include "base/crypto.h"
#include "db/events.h"
#include "db/fence_devices.h"
#include "db/hosts.h"
#include "server/fencing/device.h"

enum { TRIES = 3 };

struct input {
	const char *host_id;
};
/* clang-format off */
static const struct ud_field input_fields[] = {
	UD_FIELD(input, host_id, .flags = UD_REQUIRED),
};
/* clang-format on */
static const struct ud_shape input_shape = { UD_SHAPE(input, input_fields), .bare = true };

enum ud_code ud_fencing_begin(
	struct ud_ctx *cx, const char *kind, const char *host_id, struct ud_operation *ret)
{
	*ret = (struct ud_operation){ .kind = kind, .requested_by = cx->scope->id };
	ret->resource.text = ud_printf(cx->arena, "{\"id\":\"%s\",\"object\":\"host\"}", host_id);
	ret->input.text = ud_printf(cx->arena, "{\"host_id\":\"%s\"}", host_id);
	UD_TRY(ud_row_insert(cx, &ud_operations, ret));
	return ud_event_add(cx, "created", ud_operations.shape, NULL, ret);
}

const char *ud_fencing_seal(
	struct ud_ctx *cx, const unsigned char *seal, const char *host_id, const char *password)
{
	return password ? ud_seal(cx->arena, cx->env, seal,
				  ud_printf(cx->arena, "fence device of %s", host_id), password)
			: NULL;
}

static enum ud_code open_password(
	struct ud_ctx *cx, const unsigned char *seal, struct ud_fence_device *d)
{
	if (!d->password)
		return UD_OK;
	d->password = ud_unseal(cx->arena, seal,
		ud_printf(cx->arena, "fence device of %s", d->host_id), d->password);
	return d->password ? UD_OK
			   : ud_fail(cx, UD_E_INVALID_STATE, NULL,
				     "The device's password was sealed with another installation's"
				     " keys: set it again.");
}

static enum ud_code find_device(struct ud_ctx *cx, struct ud_job *job, struct ud_fence_device *ret)
{
	const char *text = job->op.input.text ? job->op.input.text : "{}";
	struct input in = { 0 };
	bool found = false;

	UD_TRY(ud_shape_read(cx, &input_shape, text, strlen(text), &in));
	UD_TRY(ud_job_read_begin(cx, job));
	enum ud_code code = ud_fence_device_of(cx, in.host_id, &found, ret);

	ud_job_read_end(cx, job);
	UD_TRY(code);
	if (!found)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The host has no fence device.");
	return open_password(cx, job->means->seal, ret);
}

/* ---- what becomes known ---- */

struct telling {
	const char *host_id, *words;
	enum ud_host_power power;
	bool fenced;
};

static const char *detail(struct ud_ctx *cx, const struct telling *t)
{
	struct ud_buf b = { 0 };

	ud_buf_printf(&b, "{\"power\":\"%s\",\"problem\":", ud_host_powers.names[t->power]);
	ud_buf_json(&b, t->power == UD_HOST_POWER_UNKNOWN ? t->words : NULL);
	ud_buf_putc(&b, '}');
	return ud_buf_take(cx->arena, &b);
}

static enum ud_code mark_fenced(struct ud_ctx *cx, const char *host_id)
{
	struct ud_host old = { 0 }, h;

	UD_TRY(ud_row_get(cx, &ud_hosts, host_id, &old));
	if (old.state == UD_HOST_FENCED || old.state == UD_HOST_RETIRED)
		return UD_OK;
	h = old;
	h.state = UD_HOST_FENCED;
	h.state_before = NULL;
	UD_TRY(ud_row_update(cx, &ud_hosts, &old, &h));
	return ud_event_add(cx, "fenced", ud_hosts.shape, &old, &h);
}

static enum ud_code apply_told(struct ud_ctx *cx, void *data)
{
	const struct telling *t = data;
	bool known = t->power != UD_HOST_POWER_UNKNOWN;

	UD_TRY(ud_fence_device_told(cx, t->host_id, t->power, known ? NULL : t->words));
	if (t->fenced)
		return mark_fenced(cx, t->host_id);
	return ud_event_add_plain(
		cx, "host.fence_device_checked", NULL, "host", t->host_id, detail(cx, t));
}

/* ---- the work ---- */

/* The first word of power and why there is none: nothing that a device says counts by itself. */
static void ask(
	struct ud_ctx *cx, struct ud_job *job, const struct ud_fence_device *d, struct telling *t)
{
	ud_fence_status(cx, job->means->fence_agents, d, &t->power, &t->words);
}

enum ud_code ud_fencing_check(struct ud_ctx *cx, struct ud_job *job)
{
	struct ud_fence_device d = { 0 };

	UD_TRY(find_device(cx, job, &d));
	struct telling t = { .host_id = d.host_id };

	ask(cx, job, &d, &t);
	UD_TRY(ud_job_write(cx, job, apply_told, &t));
	if (t.power == UD_HOST_POWER_UNKNOWN)
		return ud_fail(cx, UD_E_DEPENDENCY, NULL, "The device could not tell: %s", t.words);
	return UD_OK;
}

/* Off, and asked once: *ret tells whether it says so. */
static enum ud_code try_off(struct ud_ctx *cx, struct ud_job *job, const struct ud_fence_device *d,
	int64_t percent, struct telling *t)
{
	const char *words = NULL;

	UD_TRY(ud_job_progress(cx, job, percent, NULL));
	ud_fence_off(cx, job->means->fence_agents, d, &words);
	UD_TRY(ud_job_progress(cx, job, percent + 10, NULL));
	ask(cx, job, d, t);
	if (t->power == UD_HOST_POWER_UNKNOWN && words && *words)
		t->words = words;
	return UD_OK;
}

enum ud_code ud_fencing_off(struct ud_ctx *cx, struct ud_job *job)
{
	struct ud_fence_device d = { 0 };

	UD_TRY(find_device(cx, job, &d));
	struct telling t = { .host_id = d.host_id };

	for (int i = 0; i < TRIES && !t.fenced; i++) {
		UD_TRY(try_off(cx, job, &d, 5 + 30 * i, &t));
		if (t.power != UD_HOST_POWER_OFF)
			continue;
		UD_TRY(ud_job_progress(cx, job, 25 + 30 * i, NULL));
		ask(cx, job, &d, &t);
		t.fenced = t.power == UD_HOST_POWER_OFF;
	}
	UD_TRY(ud_job_write(cx, job, apply_told, &t));
	if (t.fenced)
		return UD_OK;
	return ud_fail(cx, UD_E_DEPENDENCY, NULL, "The host is not known to be off: %s",
		t.power == UD_HOST_POWER_ON ? "its device says that it has power." : t.words);
}
