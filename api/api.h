/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rulebook: every route of the API, by resource. index.c is the table of contents.
 */
#ifndef API_API_H
#define API_API_H

#include "server/http/http.h"
#include "server/http/rest.h"
#include "server/jobs/work.h"

/* All parts, ended by NULL. */
extern const struct ud_routes *const ud_api[];

extern const struct ud_routes ud_api_plumbing, ud_api_customers, ud_api_sessions, ud_api_devices,
	ud_api_oauth, ud_api_me, ud_api_users, ud_api_roles, ud_api_service_accounts, ud_api_places,
	ud_api_machines, ud_api_networks, ud_api_subscriptions, ud_api_addresses, ud_api_events,
	ud_api_operations, ud_api_erasure, ud_api_settings, ud_api_search, ud_api_docs,
	ud_api_agents, ud_api_failovers, ud_api_evidence, ud_api_recovery_plans, ud_api_portal,
	ud_api_basic, ud_api_policies, ud_api_replications, ud_api_replication_figures,
	ud_api_recovery_points, ud_api_tickets, ud_api_ticket_forms, ud_api_ticket_parts,
	ud_api_ticket_attachments, ud_api_approvals, ud_api_queues, ud_api_calendars, ud_api_macros;

extern const struct ud_routes ud_api_notifications, ud_api_saved_views, ud_api_capacity;

extern const struct ud_routes ud_api_break_glass, ud_api_conflicts, ud_api_recovery;
extern const struct ud_routes ud_api_fence_devices, ud_api_fencing_policy;
extern const struct ud_routes ud_api_vm_verbs, ud_api_host_verbs, ud_api_topology;
extern const struct ud_routes ud_api_waivers, ud_api_standing_orders, ud_api_batch;

/* What follows commands about checkpoints: rows of them. */
enum ud_code ud_checkpoint_created(struct ud_ctx *cx, const struct ud_command_ended *e) UD_USE;
enum ud_code ud_checkpoint_deleted(struct ud_ctx *cx, const struct ud_command_ended *e) UD_USE;
enum ud_code ud_checkpoints_listed(struct ud_ctx *cx, const struct ud_command_ended *e) UD_USE;

/* Kinds of operations and their work, ended by a NULL kind. */
extern const struct ud_job_kind ud_api_jobs[];
extern ud_job_run ud_erase_customer; /* erasure.c */
#define UD_ERASURE_KIND "customer_erasure"
/* All work beside requests: work.c is its table of contents. */
extern const struct ud_work ud_api_work;

#endif
