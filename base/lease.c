/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of leases.
 */
#include "base/lease.h"

static const char *const purpose_names[] = { "keep", "start" };
const struct ud_enum ud_lease_purposes = { "lease_purpose", purpose_names, UD_LEN(purpose_names) };
static const char *const verdict_names[] = { "granted", "refused", "superseded" };
const struct ud_enum ud_lease_verdicts = { "lease_verdict", verdict_names, UD_LEN(verdict_names) };

static const char *const policy_names[] = { "none", "attest", "lease", "stonith" };
const struct ud_enum ud_fencing_policies = { "fencing_policy", policy_names, UD_LEN(policy_names) };
static const char *const role_names[] = { "free", "primary", "replica" };
const struct ud_enum ud_protect_roles = { "protect_role", role_names, UD_LEN(role_names) };

enum { ID = 30, LIST = 1 << 16 };

/* clang-format off */
static const struct ud_field protect_fields[] = {
	UD_FIELD(ud_protect_args, role,          .flags = UD_REQUIRED, .values = &ud_protect_roles, .about = "Part that the host plays."),
	UD_FIELD(ud_protect_args, policy,        .flags = UD_REQUIRED, .values = &ud_fencing_policies, .about = "Fencing policy."),
	UD_FIELD(ud_protect_args, lease_seconds, .flags = UD_REQUIRED, .min = 1, .max = 3600, .about = "Length of a lease."),
	UD_FIELD(ud_protect_args, break_glass,   .about = "True when break-glass is allowed."),
};
static const struct ud_field ask_fields[] = {
	UD_FIELD(ud_lease_ask, vm_id,   .flags = UD_REQUIRED, .max = ID, .about = "The VM."),
	UD_FIELD(ud_lease_ask, epoch,   .flags = UD_REQUIRED, .min = 0, .about = "Fencing epoch that the asker knows."),
	UD_FIELD(ud_lease_ask, purpose, .flags = UD_REQUIRED, .values = &ud_lease_purposes, .about = "What for."),
	UD_FIELD(ud_lease_ask, peer_start, .about = "True when the asker waits for its peer's leave, too."),
	UD_FIELD(ud_lease_ask, guarded,    .about = "True when it runs and is ended with its lease."),
	UD_FIELD(ud_lease_ask, breakglass, .about = "True when the epoch was taken by break-glass."),
};
static const struct ud_field word_fields[] = {
	UD_FIELD(ud_lease_word, vm_id,   .flags = UD_REQUIRED, .max = ID, .about = "The VM."),
	UD_FIELD(ud_lease_word, verdict, .flags = UD_REQUIRED, .values = &ud_lease_verdicts, .about = "May it?"),
	UD_FIELD(ud_lease_word, seconds, .flags = UD_REQUIRED, .min = 0, .max = 3600, .about = "Length of the lease, from the moment the question was sent."),
	UD_FIELD(ud_lease_word, epoch,   .flags = UD_REQUIRED, .min = 0, .about = "Fencing epoch that the grantor knows."),
	UD_FIELD(ud_lease_word, reason,  .about = "Why not."),
};
static const struct ud_field lease_fields[] = {
	UD_FIELD(ud_wire_lease, nonce, .flags = UD_REQUIRED, .max = UD_LEASE_NONCE, .about = "Random; comes back with the answer."),
	UD_FIELD(ud_wire_lease, asks,  .flags = UD_REQUIRED, .max = LIST, .about = "The questions."),
};
static const struct ud_field leases_fields[] = {
	UD_FIELD(ud_wire_leases, nonce, .flags = UD_REQUIRED, .max = UD_LEASE_NONCE, .about = "Of the question."),
	UD_FIELD(ud_wire_leases, words, .flags = UD_REQUIRED, .max = LIST, .about = "The answers, in the order of the questions."),
};
/* clang-format on */
const struct ud_shape ud_protect_args_shape = { UD_SHAPE(ud_protect_args, protect_fields),
	.bare = true };
const struct ud_shape ud_lease_ask_shape = { UD_SHAPE(ud_lease_ask, ask_fields), .bare = true };
const struct ud_shape ud_lease_word_shape = { UD_SHAPE(ud_lease_word, word_fields), .bare = true };
const struct ud_shape ud_wire_lease_shape = { UD_SHAPE(ud_wire_lease, lease_fields), .bare = true };
const struct ud_shape ud_wire_leases_shape = { UD_SHAPE(ud_wire_leases, leases_fields),
	.bare = true };

int64_t ud_lease_margin_ms(int64_t lease_seconds)
{
	return 6000 + lease_seconds * 300;
}
