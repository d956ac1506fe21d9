/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table, and looking into it.
 */
#include "db/event_types.h"

#include <string.h>

/* clang-format off */
const struct ud_event_types ud_event_types[] = {
	{ "agent",             "deleted enrolled quarantined released renewed replaced revoked statement_key_changed statement_key_told" },
	{ "approval",          "created" },
	{ "approval_policy",   "created deleted unassigned updated" },
	{ "attestation",       "created" },
	{ "calendar",          "created deleted unassigned updated" },
	{ "checkpoint",        "created deleted" },
	{ "customer",          "created deleted erased erasure_begun resumed suspended updated" },
	{ "device_request",    "approved denied" },
	{ "evidence",          "sealed" },
	{ "failover",          "approved asked_again cancel_asked cancelled cleanup-test_asked closed_unprotected commit_asked committed_unprotected confirm_asked created customer_validation extend-commit-timer_asked failed not_begun plan_changed protected rejected retry_asked return_asked reverse_asked rollback_asked rolled_back running scheduled skip_asked solved step_completed step_failed step_started step_waiting test_running verify_asked waiting window_over" },
	{ "fault_domain",      "created deleted unassigned updated" },
	{ "fence_device",      "created deleted updated" },
	{ "host",              "active created deleted enrolled enrolment_created fence_device_checked fenced log_doubted maintenance path_failed path_whole quarantined recovery_waived recovery_waiver_stated storage_degraded storage_whole team_degraded team_whole unassigned unreachable updated" },
	{ "installation",      "recovery_begun recovery_ended" },
	{ "ip_address",        "allocated assigned created deleted quarantined released reserved unassigned updated" },
	{ "ip_block",          "allocated created deleted released unassigned updated" },
	{ "macro",             "created deleted unassigned updated" },
	{ "network",           "created deleted mapped unassigned updated" },
	{ "operation",         "canceled created failed running succeeded waiting" },
	{ "owner_choice",      "created" },
	{ "policy",            "created deleted unassigned updated" },
	{ "queue",             "created deleted unassigned updated" },
	{ "recovery_plan",     "blocked created deleted drill_begun drill_overdue stale unassigned updated verified" },
	{ "recovery_point",    "consistency_reduced corrupted pinned unpinned verified" },
	{ "replication",       "command_failed created deletion_agreed deletion_requested health_changed health_reset paused removed replica_deleted resumed resync_requested reversed rpo_breached rpo_restored seed_requested seeded setup_failed state_changed updated" },
	{ "saved_view",        "created deleted updated" },
	{ "service_account",   "created deleted unassigned updated" },
	{ "session",           "created deleted refused stepped_up" },
	{ "settings",          "updated" },
	{ "site",              "created deleted unassigned updated" },
	{ "sla",               "created deleted unassigned updated" },
	{ "standing_order",    "created expired revoked void" },
	{ "subscription",      "canceled created deleted unassigned updated" },
	{ "ticket",            "acknowledged answered approval_expired approval_given approved assigned attested canceled claimed closed commented created escalated info_requested merged overdue plan_changed rejected released reopened replied resumed run_asked run_ended run_stopped run_went_on snoozed solved split still_unprotected transferred updated waiting waiver_over waiver_signed window_over woken" },
	{ "ticket_attachment", "created" },
	{ "ticket_category",   "created deleted unassigned updated" },
	{ "ticket_comment",    "created updated" },
	{ "ticket_link",       "created deleted" },
	{ "ticket_watcher",    "created deleted" },
	{ "time_entry",        "created deleted updated" },
	{ "token",             "created deleted refused rotated" },
	{ "user",              "accepted created deleted disabled enabled factor_enrolled factor_removed invited password_changed preferences_changed roles_changed sessions_ended updated" },
	{ "vm",                "autostart_found break_glass_envelope_made breakglass_adopted created deleted disappeared discovered epoch_adopted epoch_committed epoch_conflict epoch_conflict_settled fencing_policy_changed moved observed power_changed power_requested protected reappeared redefined split_brain_cleared split_brain_ended split_brain_suspected unassigned updated" },
	{ "waiver",            "created ended" },
	{ NULL, NULL },
};
/* clang-format on */

const char *ud_event_verb(ud_arena *arena, const char **verbs)
{
	const char *word = *verbs;
	size_t n = strcspn(word, " ");

	*verbs += n + (word[n] == ' ');
	return n ? ud_strndup(arena, word, n) : NULL;
}

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; (p = strstr(p, word)); p += n)
		if ((p == words || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return n > 0;
	return false;
}

bool ud_event_type_known(const char *type)
{
	size_t n = strcspn(type, ".");

	for (const struct ud_event_types *t = ud_event_types; t->object; t++)
		if (strlen(t->object) == n && strncmp(t->object, type, n) == 0)
			return type[n] && has_word(t->verbs, type + n + 1);
	return false;
}
