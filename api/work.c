/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows commands, and what time brings: the table of contents. A part of the rulebook adds
 * its rows here and declares their functions in api.h.
 */
#include "api/api.h"
#include "api/audit_seals.h"
#include "api/evidence.h"
#include "api/failovers.h"
#include "api/recovery_plans.h"
#include "api/reminders.h"
#include "api/standing_orders.h"
#include "api/ticket_run.h"
#include "api/ticket_ticks.h"
#include "api/waivers.h"
#include "base/replication.h"
#include "base/verbs.h"
#include "server/agents/inventory.h"
#include "server/replication/demo.h"
#include "server/replication/owner.h"
#include "server/replication/relations.h"
#include "server/replication/watch.h"
#include "server/workflow/workflow.h"

static enum ud_code expire_commands(struct ud_ctx *cx, const struct ud_commanding *c)
{
	return ud_command_expire(cx, c);
}

/* clang-format off */
static const struct ud_tick ticks[] = {
	/* name               every  on commit  due                 apply */
	{ "demo",             10000, false,     ud_demo_due,        ud_demo_move },
	{ "begin_failovers",  1000,  true,      ud_failovers_due,   ud_failovers_begin },
	{ "tell_tickets",     1000,  true,      ud_ticket_runs_due, ud_ticket_runs_tell },
	{ "seal_evidence",    1000,  true,      ud_evidence_due,    ud_evidence_make },
	{ "seal_log",         60000, false,     ud_seals_due,       ud_seals_make },
	{ "overdue_drills",   60000, false,     ud_drills_due,      ud_drills_apply },
	{ "stale_plans",      5000,  false,     ud_plans_stale_due, ud_plans_stale_apply },
	{ "move_failovers",   500,   true,      ud_flow_due,        ud_flow_tick },
	{ "expire_commands",  1000,  false,     ud_command_overdue, expire_commands },
	{ "replications",     10000, false,     ud_replication_watch_due, ud_replication_watch },
	{ "follow_owners",    10000, false,     ud_replication_astray_due, ud_replication_follow },
	{ "rpo_ledger",       10000, false,     ud_replication_minute_due, ud_replication_minute },
	{ "silent_hosts",     2000,  false,     ud_hosts_silent,    ud_hosts_mark_silent, UD_SILENT_MS },
	{ "old_samples",      60000, false,     ud_samples_old,     ud_samples_forget },
	{ "ticket_clocks",    5000,  false,     ud_ticket_clocks_due, ud_ticket_clocks_apply },
	{ "ticket_snooze",    5000,  false,     ud_ticket_snooze_due, ud_ticket_snooze_apply },
	{ "ticket_grace",     60000, false,     ud_ticket_grace_due, ud_ticket_grace_apply },
	{ "old_notifications", 600000, false,   ud_notifications_forget_due, ud_notifications_forget_apply },
	{ "approval_expiry",  10000, false,     ud_approvals_expiry_due, ud_approvals_expiry_apply },
	{ "reminders",        10000, false,     ud_reminders_any,   ud_reminders_apply },
	{ "drill_cadence",    600000, false,    ud_cadences_due,    ud_cadences_apply },
	{ "waivers",          10000, false,     ud_waivers_due,     ud_waivers_apply },
	{ "standing_orders",  10000, false,     ud_standing_due,    ud_standing_end },
	{ NULL, 0, false, NULL, NULL },
};

static const struct ud_command_reaction reactions[] = {
	/* verb  ended; verb NULL = all */
	{ UD_VERB_CHECKPOINT_CREATE, ud_checkpoint_created },
	{ UD_VERB_CHECKPOINT_DELETE, ud_checkpoint_deleted },
	{ UD_VERB_CHECKPOINT_LIST, ud_checkpoints_listed },
	{ UD_VERB_RELATION_SET,    ud_relation_set_ended },
	{ UD_VERB_RELATION_RESYNC, ud_relation_resync_ended },
	{ UD_VERB_RELATION_DROP, ud_relation_drop_ended },
	{ UD_VERB_RELATION_TEST,   ud_relation_test_ended },
	{ UD_VERB_POINT_VERIFY,    ud_point_verify_ended },
	{ NULL, ud_flow_answered },
	{ NULL, NULL },
};
/* clang-format on */

const struct ud_work ud_api_work = { ud_api_jobs, ticks, reactions };
