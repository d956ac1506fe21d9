/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function per folder of the API puts a side's rows; each row gets an event, so that the log
 * has texts of every side, too.
 */
#include "support/tenants.h"

#include <string.h>

#include "base/file.h"
#include "db/addresses.h"
#include "db/agents.h"
#include "db/approvals.h"
#include "db/calendars.h"
#include "db/checkpoints.h"
#include "db/conflicts.h"
#include "db/customers.h"
#include "db/events.h"
#include "db/evidence.h"
#include "db/failovers.h"
#include "db/fence_devices.h"
#include "db/hosts.h"
#include "db/macros.h"
#include "db/networks.h"
#include "db/notifications.h"
#include "db/operations.h"
#include "db/people.h"
#include "db/policies.h"
#include "db/queues.h"
#include "db/recovery_plans.h"
#include "db/recovery_points.h"
#include "db/replications.h"
#include "db/saved_views.h"
#include "db/sites.h"
#include "db/standing_orders.h"
#include "db/subscriptions.h"
#include "db/ticket_parts.h"
#include "db/vms.h"
#include "db/waivers.h"

const char *const tenants_marks[SIDE_COUNT] = { "plain-", "canary-", "inner-" };

/* The side being filled. */
struct filling {
	struct tenants *t;
	enum side side;
	struct ud_row row; /* what every row begins with */
	const char *site, *domain, *host, *network, *vm, *policy, *account, *user;
};

static void note(struct tenants *t, const char *prefix, enum side side, const char *id)
{
	size_t i = 0;

	while (i < t->count && strcmp(t->rows[i].prefix, prefix) != 0)
		i++;
	assert_true(i < UD_LEN(t->rows));
	if (i == t->count)
		t->rows[t->count++].prefix = prefix;
	t->rows[i].ids[side] = id;
}

static enum ud_code add(struct ud_ctx *cx, struct filling *f, const struct ud_table *t, void *row,
	const char **ret_id)
{
	const char *id;

	UD_TRY(ud_row_insert(cx, t, row));
	UD_TRY(ud_event_add(cx, "made_up", t->shape, NULL, row));
	id = ((struct ud_row *)row)->id;
	note(f->t, t->shape->prefix, f->side, id);
	if (ret_id)
		*ret_id = id;
	return UD_OK;
}

static const char *mark(const struct filling *f, const char *what)
{
	return fmt(f->t->world, "%s%s", tenants_marks[f->side], what);
}

/* The same for what the provider shows to everybody. */
static const char *shared(const struct filling *f, const char *what)
{
	return f->side == PROVIDER ? fmt(f->t->world, "shared-%s", what) : mark(f, what);
}

static struct ud_row shared_row(const struct filling *f)
{
	struct ud_row row = f->row;

	if (f->side == PROVIDER)
		row.labels.text = "{\"l\":\"shared-label\"}";
	return row;
}

static enum ud_code fill_places(struct ud_ctx *cx, struct filling *f)
{
	static const char *const codes[SIDE_COUNT] = { "plain", "canary", "shared" };
	struct ud_site site = { .row = shared_row(f),
		.name = shared(f, "site"),
		.code = codes[f->side],
		.time_zone = "UTC",
		.address = shared(f, "address") };

	UD_TRY(add(cx, f, &ud_sites, &site, &f->site));
	struct ud_fault_domain domain = {
		.row = shared_row(f), .name = shared(f, "rack"), .site_id = f->site
	};

	UD_TRY(add(cx, f, &ud_fault_domains, &domain, &f->domain));
	struct ud_host host = { .row = f->row,
		.name = mark(f, "host"),
		.site_id = f->site,
		.fault_domain_id = f->domain,
		.memory_bytes = UD_NONE,
		.cpu_count = UD_NONE };

	UD_TRY(add(cx, f, &ud_hosts, &host, &f->host));
	struct ud_fence_device device = { .row = f->row,
		.host_id = f->host,
		.address = mark(f, "device"),
		.port = UD_NONE,
		.cipher_suite = UD_NONE,
		.problem = mark(f, "problem") };

	UD_TRY(add(cx, f, &ud_fence_devices, &device, NULL));
	struct ud_agent agent = { .row = f->row,
		.host_id = f->host,
		.state = UD_AGENT_QUARANTINED,
		.alarm = mark(f, "alarm"),
		.certificate_serial = mark(f, "serial"),
		.certificate_expires_at.ms = cx->now_ms + 1000000,
		.spki_sha256 = mark(f, "key"),
		.last_seen_at.ms = cx->now_ms };

	return add(cx, f, &ud_agents_table, &agent, NULL);
}

static enum ud_code fill_machines(struct ud_ctx *cx, struct filling *f)
{
	struct ud_network net = { .row = shared_row(f),
		.name = shared(f, "net"),
		.site_id = f->site,
		.vlan = UD_NONE,
		.switch_name = shared(f, "switch"),
		.note = shared(f, "note") };

	UD_TRY(add(cx, f, &ud_networks, &net, &f->network));
	struct ud_vm vm = { .row = f->row,
		.name = mark(f, "vm"),
		.host_id = f->host,
		.guest_os = mark(f, "os"),
		.vcpus = UD_NONE,
		.memory_bytes = UD_NONE,
		.disk_bytes = UD_NONE };

	UD_TRY(add(cx, f, &ud_vms, &vm, &f->vm));
	struct ud_checkpoint c = { .row = f->row,
		.vm_id = f->vm,
		.name = mark(f, "checkpoint"),
		.reason = mark(f, "reason") };

	UD_TRY(add(cx, f, &ud_checkpoints, &c, NULL));
	struct ud_owner_choice choice = { .row = f->row,
		.vm_id = f->vm,
		.host_id = f->host,
		.epoch = 0,
		.statement = mark(f, "statement"),
		.user_id = mark(f, "user"),
		.user_name = mark(f, "name") };

	return add(cx, f, &ud_owner_choices, &choice, NULL);
}

static enum ud_code fill_protection(struct ud_ctx *cx, struct filling *f)
{
	const char *replication;
	struct ud_policy policy = { .row = shared_row(f),
		.name = shared(f, "policy"),
		.note = shared(f, "note"),
		.schedule_interval_seconds = 300,
		.rpo_target_seconds = 900,
		.rto_target_seconds = 3600,
		.app_consistent_every_hours = UD_NONE,
		.rate_bytes_per_second = UD_NONE };

	UD_TRY(add(cx, f, &ud_policies_table, &policy, &f->policy));
	/* removed already, so that the VM can be replicated anew */
	struct ud_replication r = { .row = f->row,
		.vm_id = f->vm,
		.policy_id = f->policy,
		.source_host_id = f->host,
		.target_host_id = f->host,
		.wanted = UD_RELATION_REMOVED,
		.state = UD_REPLICATION_DISABLED,
		.state_since.ms = cx->now_ms,
		.health_since.ms = cx->now_ms,
		.error.text = fmt(f->t->world, "{\"code\":\"%s\"}", mark(f, "error")),
		.schedule_interval_seconds = 300,
		.app_consistent_every_hours = UD_NONE,
		.rate_bytes_per_second = UD_NONE,
		.rpo_target_seconds = 900,
		.rto_target_seconds = 3600,
		.generation = 1,
		.window_started_at.ms = cx->now_ms,
		.removed_at.ms = cx->now_ms };

	UD_TRY(add(cx, f, &ud_replications, &r, &replication));
	struct ud_recovery_point p = { .row = f->row,
		.replication_id = replication,
		.vm_id = f->vm,
		.host_id = f->host,
		.number = 1,
		.taken_at.ms = cx->now_ms,
		.applied_at.ms = cx->now_ms,
		.state = UD_POINT_COMPLETE,
		.pinned = true,
		.pin_note = mark(f, "pin") };

	return add(cx, f, &ud_recovery_points, &p, NULL);
}

static enum ud_code fill_failovers(struct ud_ctx *cx, struct filling *f)
{
	struct ud_recovery_plan plan = { .row = f->row,
		.name = mark(f, "plan"),
		.members.text = fmt(f->t->world, "[{\"vm_id\":\"%s\"}]", f->vm),
		.commit_minutes = UD_NONE,
		.drill_interval_days = UD_NONE,
		.point_within_seconds = UD_NONE,
		.verified_version = UD_NONE };

	UD_TRY(add(cx, f, &ud_recovery_plans, &plan, NULL));
	struct ud_failover run = { .row = f->row };

	ud_shape_init(ud_failovers.shape, &run);
	run.row = f->row;
	run.ticket_id = mark(f, "ticket");
	run.state = UD_FAILOVER_SOLVED;
	run.phase = "evidence_ready";
	run.reason_code = "validate_replication";
	run.vm_ids = (struct ud_texts){ &f->vm, 1 };
	run.plan_hash = mark(f, "plan_hash");
	run.plan.text = run.predicted.text = "{}";
	run.blockers.text = "[]";
	run.validation_notes = mark(f, "validation");
	const char *id;

	UD_TRY(add(cx, f, &ud_failovers, &run, &id));
	struct ud_evidence e = { .row = f->row,
		.failover_id = id,
		.ticket_id = run.ticket_id,
		.sha256 = mark(f, "sha256"),
		.public_key = mark(f, "public") };

	UD_TRY(add(cx, f, &ud_evidence_table, &e, &id));
	return ud_evidence_keep(cx, id, fmt(f->t->world, "{\"record\":\"%s\"}", mark(f, "record")));
}

static enum ud_code fill_addresses(struct ud_ctx *cx, struct filling *f)
{
	const char *block_id;
	struct ud_ip_block block = { .row = f->row,
		.prefix = "10.0.0.0/24",
		.kind = UD_BLOCK_PRIVATE,
		.site_id = f->site,
		.network_id = f->network,
		.note = mark(f, "block"),
		.realm = f->row.customer_id ? f->row.customer_id : "provider",
		.first_hex = "00000000000000000000ffff0a000000",
		.last_hex = "00000000000000000000ffff0a0000ff",
		.next_hex = "00000000000000000000ffff0a000000" };

	UD_TRY(add(cx, f, &ud_ip_blocks, &block, &block_id));
	struct ud_ip_address address = { .row = f->row,
		.block_id = block_id,
		.address = "10.0.0.9",
		.note = mark(f, "ip"),
		.vm_id = f->vm,
		.address_hex = "00000000000000000000ffff0a000009" };

	return add(cx, f, &ud_ip_addresses, &address, NULL);
}

static enum ud_code fill_people(struct ud_ctx *cx, struct filling *f)
{
	const char *role[] = { f->side == PROVIDER ? "auditor" : "customer_viewer" };
	struct ud_user user = { .row = f->row,
		.email = fmt(f->t->world, "%sperson@example.net", tenants_marks[f->side]),
		.display_name = mark(f, "person"),
		.state = UD_USER_ACTIVE,
		.role_names = { role, 1 } };
	struct ud_service_account account = {
		.row = f->row, .name = mark(f, "account"), .role_names = { role, 1 }
	};

	UD_TRY(add(cx, f, &ud_users, &user, &f->user));
	UD_TRY(add(cx, f, &ud_service_accounts, &account, &f->account));
	const char *scopes[] = { "vms:read" };
	struct ud_token token = { .row = f->row,
		.principal_id = f->account,
		.name = mark(f, "token"),
		.scopes = { scopes, 1 },
		.secret_hash = mark(f, "hash"),
		.expires_at.ms = cx->now_ms + 1000000 };

	UD_TRY(add(cx, f, &ud_tokens, &token, NULL));
	struct ud_saved_view view = { .row = f->row,
		.user_id = f->user,
		.name = mark(f, "view"),
		.page = "/app/tickets",
		.query = mark(f, "query") };

	UD_TRY(add(cx, f, &ud_saved_views, &view, NULL));
	struct ud_session session = { .row = f->row,
		.user_id = f->user,
		.secret_hash = mark(f, "secret"),
		.csrf_hash = "x",
		.last_seen_at.ms = cx->now_ms,
		.user_agent = mark(f, "agent"),
		.expires_at.ms = cx->now_ms + 1000000 };

	return add(cx, f, &ud_sessions, &session, NULL);
}

static enum ud_code fill_work(struct ud_ctx *cx, struct filling *f)
{
	struct ud_operation op = { .row = f->row,
		.kind = mark(f, "kind"),
		.state = UD_OPERATION_SUCCEEDED,
		.result.text = f->row.labels.text };
	struct ud_subscription sub = { .row = f->row };

	if (f->side != PROVIDER)
		UD_TRY(add(cx, f, &ud_subscriptions, &sub, NULL));
	return add(cx, f, &ud_operations, &op, NULL);
}

/* What tickets are sorted and timed by. */
static enum ud_code fill_desk(struct ud_ctx *cx, struct filling *f)
{
	const char *calendar_id, *hours[] = { "09:00-17:00" };
	struct ud_queue queue = {
		.row = f->row, .name = mark(f, "queue"), .note = mark(f, "note")
	};
	struct ud_ticket_category category = { .row = shared_row(f),
		.name = shared(f, "category") };
	struct ud_calendar calendar = {
		.row = shared_row(f),
		.name = shared(f, "calendar"),
		.time_zone = "UTC",
		.monday = { hours, 1 },
	};
	struct ud_approval_policy policy = { .row = shared_row(f),
		.name = shared(f, "policy"),
		.ticket_type = UD_TICKET_BILLING,
		.expires_after_seconds = 86400 };

	struct ud_macro macro = {
		.row = f->row, .name = mark(f, "macro"), .body = mark(f, "words")
	};

	UD_TRY(add(cx, f, &ud_macros, &macro, NULL));
	UD_TRY(add(cx, f, &ud_queues, &queue, NULL));
	UD_TRY(add(cx, f, &ud_ticket_categories, &category, NULL));
	UD_TRY(add(cx, f, &ud_calendars, &calendar, &calendar_id));
	struct ud_sla sla = { .row = shared_row(f),
		.name = shared(f, "sla"),
		.calendar_id = calendar_id,
		.low_response_seconds = UD_NONE,
		.low_resolve_seconds = UD_NONE,
		.normal_response_seconds = UD_NONE,
		.normal_resolve_seconds = UD_NONE,
		.high_response_seconds = UD_NONE,
		.high_resolve_seconds = UD_NONE,
		.urgent_response_seconds = UD_NONE,
		.urgent_resolve_seconds = UD_NONE };

	if (f->side != PROVIDER)
		UD_TRY(add(cx, f, &ud_slas, &sla, NULL));
	else
		note(f->t, "sla", f->side, "sla_00000000000000000000000001");
	return add(cx, f, &ud_approval_policies, &policy, NULL);
}

/* A file with its bytes. */
static enum ud_code fill_file(struct ud_ctx *cx, struct filling *f, const char *ticket_id)
{
	const char *folder = fmt(f->t->world, "%s/attachments", f->t->world->dir), *id;
	struct ud_ticket_attachment file = { .row = f->row,
		.ticket_id = ticket_id,
		.filename = mark(f, "file"),
		.size_bytes = 4,
		.sha256 = "9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0",
		.author_name = mark(f, "sender") };

	UD_TRY(add(cx, f, &ud_ticket_attachments, &file, &id));
	(void)cx->env->files->make_folder(folder, 0700);
	return ud_file_write(cx, fmt(f->t->world, "%s/%s", folder, id), "aaa", 3, 0600);
}

static enum ud_code fill_orders(struct ud_ctx *cx, struct filling *f)
{
	struct ud_standing_order order = { .row = f->row,
		.name = mark(f, "order"),
		.kind = UD_FAILOVER_UNPLANNED,
		.statement = mark(f, "agreed-beforehand-to-this"),
		.expires_at.ms = cx->now_ms + 86400000,
		.plan_hash = mark(f, "order-hash"),
		.given_by_id = f->user,
		.given_by_name = mark(f, "giver"),
		.ended_at.ms = UD_NONE };

	return add(cx, f, &ud_standing_orders, &order, NULL);
}

static enum ud_code fill_tickets(struct ud_ctx *cx, struct filling *f)
{
	struct ud_ticket ticket = { .row = f->row,
		.number = mark(f, "number"),
		.type = UD_TICKET_INCIDENT,
		.subject = mark(f, "subject"),
		.body = mark(f, "body"),
		.requester_name = mark(f, "requester"),
		.sla_version = UD_NONE,
		.response_seconds = UD_NONE,
		.resolve_seconds = UD_NONE,
		.resolve_left_seconds = UD_NONE,
		.due_at.ms = UD_TICKET_NEVER };
	struct ud_ticket other = ticket;
	const char *id, *other_id;

	other.number = mark(f, "other-number");
	UD_TRY(add(cx, f, &ud_tickets, &other, &other_id));
	UD_TRY(add(cx, f, &ud_tickets, &ticket, &id));
	struct ud_ticket_comment comment = { .row = f->row,
		.ticket_id = id,
		.body = mark(f, "comment"),
		.author_name = mark(f, "author") };
	struct ud_ticket_watcher watcher = {
		.row = f->row, .ticket_id = id, .user_id = f->user, .user_name = mark(f, "watcher")
	};
	struct ud_ticket_link link = { .row = f->row, .ticket_id = id, .other_id = other_id };
	struct ud_time_entry entry = {
		.row = f->row, .ticket_id = id, .minutes = 5, .note = mark(f, "work")
	};

	struct ud_approval approval = { .row = f->row,
		.ticket_id = id,
		.plan_hash = mark(f, "hash"),
		.user_id = f->user,
		.user_name = mark(f, "approver") };
	struct ud_attestation attestation = { .row = f->row,
		.ticket_id = id,
		.vm_id = f->vm,
		.statement = mark(f, "statement"),
		.user_id = f->user };

	UD_TRY(add(cx, f, &ud_approvals, &approval, NULL));
	UD_TRY(add(cx, f, &ud_attestations, &attestation, NULL));
	struct ud_waiver waiver = { .row = f->row,
		.ticket_id = id,
		.vm_id = f->vm,
		.statement = mark(f, "waiver"),
		.user_id = f->user,
		.expires_at.ms = cx->now_ms + 86400000,
		.holds_until.ms = UD_NONE,
		.ended_at.ms = UD_NONE };

	UD_TRY(add(cx, f, &ud_waiver_table, &waiver, NULL));
	UD_TRY(fill_orders(cx, f));
	UD_TRY(add(cx, f, &ud_ticket_comments, &comment, NULL));
	UD_TRY(add(cx, f, &ud_ticket_watchers, &watcher, NULL));
	UD_TRY(fill_file(cx, f, id));
	struct ud_notification news = { .row = f->row,
		.user_id = f->user,
		.event = "ticket.solved",
		.subject_id = id,
		.title = mark(f, "news") };

	UD_TRY(add(cx, f, &ud_notifications, &news, NULL));
	UD_TRY(add(cx, f, &ud_ticket_links, &link, NULL));
	return add(cx, f, &ud_time_entries, &entry, NULL);
}

static enum ud_code last_event(struct ud_ctx *cx, struct filling *f)
{
	const char *id;
	bool found;

	/* every tenant: the side is named */
	UD_TRY(ud_query_text(cx, &found, &id,
		"SELECT id FROM events WHERE COALESCE(customer_id, '') = $1 ORDER BY n DESC LIMIT 1",
		UD_VALS(ud_t(f->row.customer_id ? f->row.customer_id : ""))));
	assert_true(found);
	note(f->t, "evt", f->side, id);
	return UD_OK;
}

static enum ud_code fill(struct ud_ctx *cx, void *data)
{
	struct tenants *t = data;

	for (int side = 0; side < SIDE_COUNT; side++) {
		struct filling f = { .t = t,
			.side = (enum side)side,
			.row = { .customer_id = t->customer[side],
				.labels.text = fmt(
					t->world, "{\"l\":\"%slabel\"}", tenants_marks[side]) } };

		if (t->customer[side])
			note(t, "cus", f.side, t->customer[side]);
		UD_TRY(fill_places(cx, &f));
		UD_TRY(fill_machines(cx, &f));
		UD_TRY(fill_protection(cx, &f));
		UD_TRY(fill_failovers(cx, &f));
		UD_TRY(fill_addresses(cx, &f));
		UD_TRY(fill_people(cx, &f));
		UD_TRY(fill_work(cx, &f));
		UD_TRY(fill_desk(cx, &f));
		UD_TRY(fill_tickets(cx, &f));
		UD_TRY(last_event(cx, &f));
	}
	return UD_OK;
}

void tenants_fill(struct tenants *t, struct world *w)
{
	*t = (struct tenants){ .world = w, .customer = { w->own, w->other, NULL } };
	world_write(w, fill, t);
}

const char *tenants_id(const struct tenants *t, const char *prefix, enum side side)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->rows[i].prefix, prefix) == 0)
			return t->rows[i].ids[side];
	fail_msg("tests/support/tenants.c has no rows with ids of %s_", prefix);
	return NULL;
}

const char *tenants_missing(const struct tenants *t, const char *prefix)
{
	return fmt(t->world, "%s_00000000000000000000000000", prefix);
}
