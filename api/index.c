/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of contents.
 */
#include "api/api.h"

const struct ud_routes *const ud_api[] = {
	&ud_api_customers,
	&ud_api_subscriptions,
	&ud_api_places,
	&ud_api_machines,
	&ud_api_vm_verbs,
	&ud_api_host_verbs,
	&ud_api_topology,
	&ud_api_agents,
	&ud_api_policies,
	&ud_api_replications,
	&ud_api_replication_figures,
	&ud_api_recovery_points,
	&ud_api_failovers,
	&ud_api_evidence,
	&ud_api_networks,
	&ud_api_addresses,
	&ud_api_tickets,
	&ud_api_ticket_parts,
	&ud_api_ticket_attachments,
	&ud_api_approvals,
	&ud_api_notifications,
	&ud_api_queues,
	&ud_api_calendars,
	&ud_api_users,
	&ud_api_me,
	&ud_api_sessions,
	&ud_api_service_accounts,
	&ud_api_events,
	&ud_api_operations,
	&ud_api_settings,
	&ud_api_search,
	&ud_api_docs,
	&ud_api_portal,
	&ud_api_basic,
	&ud_api_plumbing,
	NULL,
};
