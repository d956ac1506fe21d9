/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the agents' route table; routes.c lists them.
 */
#ifndef SERVER_AGENTS_ROUTES_H
#define SERVER_AGENTS_ROUTES_H

#include "server/http/http.h"

extern const struct ud_routes ud_agent_enrolment;   /* enroll, renew */
extern const struct ud_routes ud_agent_inventory;   /* facts, heartbeat */
extern const struct ud_routes ud_agent_commands;    /* poll, result, progress */
extern const struct ud_routes ud_agent_leases;      /* lease */
extern const struct ud_routes ud_agent_statements;  /* statement-key */
extern const struct ud_routes ud_agent_replication; /* replication */

#endif
