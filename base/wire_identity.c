/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of identity's messages.
 */
#include "base/wire_identity.h"

enum { PEM_MAX = 8192 };

/* clang-format off */
static const struct ud_field enroll_fields[] = {
	UD_FIELD(ud_wire_enroll, token,         .flags = UD_REQUIRED, .max = 100, .about = "The one-time token that the host was given."),
	UD_FIELD(ud_wire_enroll, request,       .flags = UD_REQUIRED, .max = PEM_MAX, .about = "Certificate request (PKCS #10, PEM, P-256) signed with the agent's key."),
	UD_FIELD(ud_wire_enroll, host_id,       .refers = "hst", .about = "The host it should be; when given, a token for another one is refused."),
	UD_FIELD(ud_wire_enroll, agent_version, .max = 40, .about = "Version of the program."),
};
static const struct ud_field renew_fields[] = {
	UD_FIELD(ud_wire_renew, request,       .flags = UD_REQUIRED, .max = PEM_MAX, .about = "Certificate request (PKCS #10, PEM, P-256), of a new key."),
	UD_FIELD(ud_wire_renew, agent_version, .max = 40, .about = "Version of the program."),
};
static const struct ud_field credentials_fields[] = {
	UD_FIELD(ud_wire_credentials, agent_id,    .about = "Id of the agent."),
	UD_FIELD(ud_wire_credentials, host_id,     .about = "Host it speaks for."),
	UD_FIELD(ud_wire_credentials, certificate, .max = PEM_MAX, .about = "Its certificate, PEM."),
	UD_FIELD(ud_wire_credentials, chain,       .max = PEM_MAX, .about = "The authority between it and the root, PEM."),
	UD_FIELD(ud_wire_credentials, root,        .max = PEM_MAX, .about = "The root, PEM."),
	UD_FIELD(ud_wire_credentials, command_key, .about = "Public key that commands are signed with (Ed25519, base64url)."),
	UD_FIELD(ud_wire_credentials, expires_at,  .about = "When the certificate ends."),
};
static const struct ud_field self_fields[] = {
	UD_FIELD(ud_wire_self, agent_id,               .about = "Id of the agent."),
	UD_FIELD(ud_wire_self, host_id,                .about = "Host it speaks for."),
	UD_FIELD(ud_wire_self, state,                  .about = "active or quarantined."),
	UD_FIELD(ud_wire_self, alarm,                  .about = "Why it is quarantined."),
	UD_FIELD(ud_wire_self, may_promote,            .about = "False until a person has looked at an alarm."),
	UD_FIELD(ud_wire_self, certificate_expires_at, .about = "When its newest certificate ends."),
	UD_FIELD(ud_wire_self, server_time,            .about = "The server's clock."),
};
static const struct ud_field problem_fields[] = {
	UD_FIELD(ud_wire_problem, type,       .max = 1000, .about = "Address of the page about it."),
	UD_FIELD(ud_wire_problem, title,      .max = 1000, .about = "One line for people."),
	UD_FIELD(ud_wire_problem, status,     .about = "HTTP status."),
	UD_FIELD(ud_wire_problem, code,       .about = "Name of the problem."),
	UD_FIELD(ud_wire_problem, detail,     .max = 4000, .about = "What is wrong this time."),
	UD_FIELD(ud_wire_problem, instance,   .max = 1000, .about = "Where."),
	UD_FIELD(ud_wire_problem, request_id, .about = "Id of the request."),
	UD_FIELD(ud_wire_problem, retryable,  .about = "True when the same call may succeed later."),
	UD_FIELD(ud_wire_problem, remedy,     .max = 1000, .about = "What to do."),
	UD_FIELD(ud_wire_problem, errors,     .about = "Wrong fields."),
};
/* clang-format on */
const struct ud_shape ud_wire_enroll_shape = { .bare = true,
	UD_SHAPE(ud_wire_enroll, enroll_fields) };
const struct ud_shape ud_wire_renew_shape = { .bare = true, UD_SHAPE(ud_wire_renew, renew_fields) };
const struct ud_shape ud_wire_credentials_shape = { .bare = true,
	UD_SHAPE(ud_wire_credentials, credentials_fields) };
const struct ud_shape ud_wire_self_shape = { .bare = true, UD_SHAPE(ud_wire_self, self_fields) };
const struct ud_shape ud_wire_problem_shape = { .bare = true,
	UD_SHAPE(ud_wire_problem, problem_fields) };
