/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server and agents say to each other about who the agent is: enrolment, renewal, and how a
 * refusal reads. Commands are in wire.h.
 */
#ifndef BASE_WIRE_IDENTITY_H
#define BASE_WIRE_IDENTITY_H

#include "base/shape.h"

/* Header that names the agent's process: random hex, new at each start. Two numbers that take turns
 * are two machines. */
#define UD_RUN_HEADER "Understudy-Run"

/* POST /v1/agent/enroll. */
struct ud_wire_enroll {
	const char *token, *request, *host_id, *agent_version;
};
extern const struct ud_shape ud_wire_enroll_shape;

/* POST /v1/agent/renew. */
struct ud_wire_renew {
	const char *request, *agent_version;
};
extern const struct ud_shape ud_wire_renew_shape;

/* The answer to both. */
struct ud_wire_credentials {
	const char *agent_id, *host_id, *certificate, *chain, *root, *command_key;
	struct ud_time expires_at;
};
extern const struct ud_shape ud_wire_credentials_shape;

/* GET /v1/agent/self: how the server sees the agent. */
struct ud_wire_self {
	const char *agent_id, *host_id, *state, *alarm;
	bool may_promote;
	struct ud_time certificate_expires_at, server_time;
};
extern const struct ud_shape ud_wire_self_shape;

/* A problem (RFC 9457) as the server writes it. */
struct ud_wire_problem {
	const char *type, *title, *code, *detail, *instance, *request_id, *remedy;
	int64_t status;
	bool retryable;
	struct ud_json errors;
};
extern const struct ud_shape ud_wire_problem_shape;

#endif
