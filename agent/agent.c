/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts in the order in which they need each other.
 */
#include "agent/agent.h"

#include <pthread.h>
#include <string.h>

#include "agent/courier.h"
#include "agent/keeper.h"
#include "agent/replicator.h"
#include "agent/reporter.h"
#include "agent/statement_key.h"
#include "base/env.h"
#include "base/log.h"
#include "base/sign.h"
#include "base/time.h"
#include "base/wire_identity.h"

enum { REPORT_MS = 60000, CALL_MS = 30000 };

/* Stands in for a hypervisor that does not answer: it can do nothing. */
static const struct ud_driver absent_driver = { .name = "none", .platform = "none" };
static struct ud_hv *absent(void)
{
	static struct ud_hv hv = { &absent_driver };

	return &hv;
}

struct ud_agent_run {
	struct ud_station station;
	const struct ud_driver *const *drivers;
	ud_arena *arena; /* of what lives as long */
	ud_link *link;
	struct ud_runner *runner;
	struct ud_courier *_Atomic courier;
	struct ud_reporter *_Atomic reporter;
	struct ud_keeper *leases;
	pthread_t keeper;
	bool keeping;
	bool quarantined; /* as the server said last; the keeper's */
	unsigned char statement_key[UD_SIGN_KEY];
};

/* ---- keeping ---- */

/* What the server thinks of us binds the runner, and goes to the log when it changes. */
static enum ud_code ask_self(struct ud_ctx *cx, struct ud_agent_run *a)
{
	struct ud_wire_self self = { 0 };
	char until[UD_TIME_TEXT] = "";

	UD_TRY(ud_link_send(cx, a->link, "/v1/agent/self", NULL, NULL, CALL_MS, &ud_wire_self_shape,
		&self, NULL));
	bool quarantined = !self.may_promote;

	if (quarantined != a->quarantined)
		ud_log(quarantined ? UD_LOG_WARNING : UD_LOG_INFO, "may_promote", "value",
			quarantined ? "no" : "yes", "reason", self.alarm ? self.alarm : "", NULL);
	a->quarantined = quarantined;
	ud_runner_quarantine(a->runner, quarantined);
	ud_time_format(self.certificate_expires_at.ms, until);
	ud_log(UD_LOG_DEBUG, "seen_by_server", "agent", self.agent_id, "state", self.state,
		"certificate_until", until, NULL);
	return UD_OK;
}

/* On a thread of the driver. */
static void machine_changed(void *data, const char *uuid)
{
	struct ud_agent_run *a = data;
	struct ud_reporter *reporter = a->reporter;

	(void)uuid;
	if (reporter)
		ud_reporter_wake(reporter);
}

/* Open the hypervisor, or try again later. Verbs that run meanwhile keep what they have. */
static void open_hypervisor(struct ud_ctx *cx, struct ud_agent_run *a)
{
	const char *uri = a->station.config->hypervisor_uri;
	struct ud_hv *hv = NULL;

	if (a->station.hv && a->station.hv != absent())
		return;
	if (ud_hv_open(cx, a->drivers, uri, machine_changed, a, &hv) != UD_OK) {
		ud_log(UD_LOG_WARNING, "hypervisor_not_opened", "uri", uri, "reason",
			cx->problem.detail, NULL);
		ud_ctx_clear(cx);
		hv = absent();
	}
	a->station.hv = hv;
}

static enum ud_code keep_once(struct ud_ctx *cx, struct ud_agent_run *a)
{
	open_hypervisor(cx, a);
	UD_TRY(ud_link_keep(cx, a->link));
	return ask_self(cx, a);
}

static void *keep(void *data)
{
	struct ud_agent_run *a = data;
	const struct ud_env *env = a->station.env;

	for (bool go_on = true; go_on;) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = {
			.arena = arena, .env = env, .now_ms = ud_now_ms(env), .request_id = "keeper"
		};
		enum ud_code code = keep_once(&cx, a);

		if (code == UD_OK) {
			go_on = ud_link_wait(a->link, REPORT_MS);
			continue;
		}
		if (!ud_link_stopped(a->link))
			ud_log(UD_LOG_WARNING, "server_not_reached", "code",
				ud_error_info(code)->name, "reason",
				cx.problem.detail ? cx.problem.detail : "", NULL);
		go_on = ud_link_pause(&cx, a->link, code);
	}
	return NULL;
}

/* ---- start and end ---- */

static void changed(void *data)
{
	struct ud_agent_run *a = data;
	struct ud_courier *courier = a->courier;

	/* before there is one nothing is lost: it begins by looking */
	if (courier)
		ud_courier_wake(courier);
}

/* The machine's boot, as the hypervisor tells it, else as the system does. */
static void read_boot(struct ud_ctx *cx, struct ud_agent_run *a)
{
	struct ud_host_facts facts = { 0 };
	char name[UD_CLOCK_NAME];

	if (a->station.hv == absent() || ud_hv_facts(cx, a->station.hv, &facts) != UD_OK ||
		!facts.host_boot) {
		ud_ctx_clear(cx);
		ud_boot_name(cx->env, name);
		facts.host_boot = name;
	}
	a->station.host_boot = ud_strdup(a->arena, facts.host_boot);
}

static enum ud_code open_parts(struct ud_ctx *cx, struct ud_agent_run *a)
{
	struct ud_station *s = &a->station;

	UD_TRY(ud_journal_open(cx, ud_agent_path(cx, s->config, "journal.db"), &s->journal));
	if (ud_statement_key(cx, s->config, a->statement_key))
		s->statement_key = a->statement_key;
	open_hypervisor(cx, a);
	read_boot(cx, a);
	return ud_link_open(cx, s->config, &a->link);
}

static enum ud_code start(struct ud_ctx *cx, struct ud_agent_run *a)
{
	const struct ud_runner_settings settings = {
		.station = &a->station, .verbs = ud_agent_verbs, .changed = changed, .data = a
	};
	struct ud_courier *courier = NULL;
	struct ud_reporter *reporter = NULL;

	UD_TRY(open_parts(cx, a));
	const struct ud_keeper_settings leases = { .station = &a->station, .link = a->link };

	UD_TRY(ud_keeper_start(cx, &leases, &a->leases));
	/* before the runner: commands that a crash has cut off are done again at once, and need the
	 * relations */
	UD_TRY(ud_replicator_start(cx, &a->station, a->link, &a->station.replica));
	UD_TRY(ud_runner_start(cx, &settings, &a->runner));
	enum ud_code code = ud_reporter_start(cx, &a->station, a->link, &reporter);

	a->reporter = reporter;
	UD_TRY(code);
	code = ud_courier_start(cx, &a->station, a->link, a->runner, reporter, &courier);
	a->courier = courier;
	UD_TRY(code);
	ud_courier_wake(courier); /* for what ended before there was one */
	if (pthread_create(&a->keeper, NULL, keep, a) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	a->keeping = true;
	return UD_OK;
}

enum ud_code ud_agent_begin(struct ud_ctx *cx, const struct ud_agent_config *config,
	const struct ud_driver *const *drivers, const struct ud_env *env,
	const struct ud_agent_hooks *hooks, struct ud_agent_run **ret)
{
	struct ud_agent_run *a = ud_malloc(sizeof(*a));

	a->station.config = config;
	a->station.env = env;
	if (hooks) {
		a->station.dies = hooks->dies;
		a->station.dies_data = hooks->data;
	}
	a->drivers = drivers;
	a->arena = ud_arena_new();
	enum ud_code code = start(cx, a);

	if (code != UD_OK) {
		ud_agent_end(&a);
		return code;
	}
	*ret = a;
	return UD_OK;
}

void ud_agent_end(struct ud_agent_run **pa)
{
	struct ud_agent_run *a = *pa;
	struct ud_reporter *reporter;
	struct ud_courier *courier;
	struct ud_hv *hv;

	if (!a)
		return;
	courier = a->courier;
	reporter = a->reporter;
	hv = a->station.hv;
	if (a->link)
		ud_link_stop(a->link);
	if (a->keeping)
		pthread_join(a->keeper, NULL);
	if (courier)
		ud_courier_stop(courier);
	if (reporter)
		ud_reporter_stop(reporter);
	if (a->station.replica)
		ud_replicator_stop(a->station.replica);
	ud_runner_release(&a->runner);
	ud_courier_release(&courier);
	ud_keeper_release(&a->leases);
	ud_link_release(&a->link);
	if (hv != absent())
		ud_hv_close(&hv);
	ud_reporter_release(&reporter); /* the driver tells nobody any more */
	ud_replicator_release(&a->station.replica);
	ud_journal_release(&a->station.journal);
	ud_arena_release(&a->arena);
	ud_wipe(a->statement_key, sizeof(a->statement_key));
	ud_free(a);
	*pa = NULL;
}

struct ud_station *ud_agent_station(struct ud_agent_run *a)
{
	return &a->station;
}
