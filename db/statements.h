/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents have stated of the commands of failovers, and the keys they sign with, with their
 * history (base/statement.h). Both are written on the agents' port, where no tenant asks.
 */
#ifndef DB_STATEMENTS_H
#define DB_STATEMENTS_H

#include "base/statement.h"
#include "db/agents.h"

/* A public key of an agent. */
struct ud_agent_key {
	const char *agent_id, *host_id, *public_key;
	struct ud_time created_at, ended_at; /* ended: 0 or UD_NONE = it holds */
};

/*
 * The agent signs with this key from now on: the one before ends. *ret_changed false: it did so
 * before. UD_E_ALREADY_EXISTS when the key is one of another host.
 */
enum ud_code ud_agent_key_set(struct ud_ctx *cx, const struct ud_agent *agent,
	const char *public_key, bool *ret_changed) UD_USE;
/* Did an agent of this host ever have this key? */
enum ud_code ud_agent_key_known(struct ud_ctx *cx, const char *agent_id, const char *host_id,
	const char *public_key, bool *ret) UD_USE;
typedef enum ud_code ud_agent_key_visitor(
	struct ud_ctx *cx, void *data, const struct ud_agent_key *key);
/* Visit the keys of a host, the oldest first. The caller has read the host with its scope. */
enum ud_code ud_agent_keys(
	struct ud_ctx *cx, const char *host_id, ud_agent_key_visitor *visit, void *data) UD_USE;

/* A statement as it was taken. */
struct ud_statement_row {
	const char *subject_id, *host_id;
	int64_t seq;
	const char *verb, *agent_id;
	unsigned verdict;             /* enum ud_statement_verdict */
	const char *reason;           /* of an invalid one */
	const char *text, *signature; /* as they came; NULL = none */
	int64_t took_ms;              /* as stated; UD_NONE = not told */
	int64_t given_at;             /* when the host was given the command; when visited */
};
/* Keep it; the first that came about a command stays. */
enum ud_code ud_statement_keep(
	struct ud_ctx *cx, const struct ud_statement_row *row, const char *customer_id) UD_USE;
typedef enum ud_code ud_statement_visitor(
	struct ud_ctx *cx, void *data, const struct ud_statement_row *row);
/* Visit those about the commands of a run, in order. The caller has read the run. */
enum ud_code ud_statement_visit(
	struct ud_ctx *cx, const char *failover_id, ud_statement_visitor *visit, void *data) UD_USE;

/* The verb and owner of a host's command; *ret_verb NULL = there is none. Every tenant's. */
enum ud_code ud_command_verb(struct ud_ctx *cx, const char *subject_id, int64_t seq,
	const char *host_id, const char **ret_verb, const char **ret_customer_id) UD_USE;

#endif
