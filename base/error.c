/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of problems. A new code is a row here and a name in error.h; a test walks it.
 */
#include "base/error.h"

#include <string.h>

/* clang-format off */
static const struct ud_error_info infos[] = {
	/* code                             name                       status retry  title                                   remedy */
	[UD_OK] =                         { "ok",                       200, false, "Done",                                  NULL },
	[UD_E_MALFORMED] =                { "malformed",                400, false, "The request cannot be parsed",          "Send well-formed HTTP and JSON." },
	[UD_E_UNKNOWN_FIELD] =            { "unknown_field",            400, false, "A field is not known here",             "Remove the field, or look up its spelling at /docs." },
	[UD_E_UNKNOWN_PARAMETER] =        { "unknown_parameter",        400, false, "A query parameter is not known here",   "Remove the parameter, or look up its spelling at /docs." },
	[UD_E_PARAMETER_INVALID] =        { "parameter_invalid",        400, false, "A query parameter or header has a wrong value", "Correct the value that errors[] names." },
	[UD_E_CURSOR_INVALID] =           { "cursor_invalid",           400, false, "The cursor is not one of ours",         "Use next_cursor of an earlier page as it is." },
	[UD_E_CURSOR_MISMATCH] =          { "cursor_mismatch",          400, false, "The cursor belongs to another filter",  "Repeat the filter and order of the first page, or start anew without a cursor." },
	[UD_E_IDEMPOTENCY_KEY_REQUIRED] = { "idempotency_key_required", 400, false, "This call needs an Idempotency-Key",    "Send a fresh Idempotency-Key header, and the same one when you repeat the call." },
	[UD_E_AUTHORIZATION_PENDING] =    { "authorization_pending",    400, true,  "Nobody has approved yet",               "Ask again after the interval, until somebody has approved or the code has expired." },
	[UD_E_UNSUPPORTED_GRANT_TYPE] =   { "unsupported_grant_type",   400, false, "Tokens are not given in this way",      "Send a grant_type that the specification names." },
	[UD_E_INVALID_SCOPE] =            { "invalid_scope",            400, false, "The secret does not have this scope",   "Ask for scopes that the token whose secret you send has, or for none." },
	[UD_E_UNAUTHENTICATED] =          { "unauthenticated",          401, false, "Sign in first",                         "Send a valid session cookie or bearer token." },
	[UD_E_INVALID_CREDENTIALS] =      { "invalid_credentials",      401, false, "These credentials are not right",       "Check e-mail address, password and code." },
	[UD_E_INVALID_CLIENT] =           { "invalid_client",           401, false, "The client's credentials are not right", "Send the id of a service account and the secret of one of its tokens." },
	[UD_E_STEP_UP_REQUIRED] =         { "step_up_required",         401, false, "Confirm that it is you",                "POST /v1/me/step-up with your password and code, then repeat the call within five minutes." },
	[UD_E_ROLE_MISSING] =             { "role_missing",             403, false, "Your role does not allow this",         "Ask an administrator for one of the roles that the detail names." },
	[UD_E_SCOPE_MISSING] =            { "scope_missing",            403, false, "The token's scopes do not allow this",  "Use a token with the scope that the detail names." },
	[UD_E_NOT_ENTITLED] =             { "not_entitled",             403, false, "The subscription does not include this", "Add the add-on that the detail names to a subscription." },
	[UD_E_CSRF_FAILED] =              { "csrf_failed",              403, false, "The request did not come from our page", "Send the session's csrf_token in X-CSRF-Token from the portal's own origin." },
	[UD_E_PERSON_REQUIRED] =          { "person_required",          403, false, "A person must do this",                 "Sign in as a person; tokens may not." },
	[UD_E_FACTOR_REQUIRED] =          { "factor_required",          403, false, "A second factor is required",           "Enrol one with POST /v1/me/totp, then sign in again." },
	[UD_E_CERTIFICATE_REFUSED] =      { "certificate_refused",      403, false, "The certificate is not accepted",       "Enrol the host anew." },
	[UD_E_OWN_REQUEST] =              { "own_request",              403, false, "Not by whoever asked for it",           "Let somebody else approve it." },
	[UD_E_ACCESS_DENIED] =            { "access_denied",            403, false, "Somebody refused",                      "Begin anew, and let somebody approve who knows of it." },
	[UD_E_NOT_FOUND] =                { "not_found",                404, false, "There is no such thing here",           "Check the address and the id." },
	[UD_E_METHOD_NOT_ALLOWED] =       { "method_not_allowed",       405, false, "This address does not take that method", "Use a method of the Allow header." },
	[UD_E_TIMEOUT] =                  { "timeout",                  408, true,  "The request took too long to arrive",   "Send it again." },
	[UD_E_CONFLICT] =                 { "conflict",                 409, true,  "Somebody else changed this meanwhile",  "Read the object again and repeat." },
	[UD_E_INVALID_STATE] =            { "invalid_state",            409, false, "The object's state does not allow this", "Look at allowed_operations of the object." },
	[UD_E_ALREADY_EXISTS] =           { "already_exists",           409, false, "Something with this name exists already", "Choose another value for the field that errors[] names." },
	[UD_E_IN_USE] =                   { "in_use",                   409, false, "Something else still uses this",        "Remove what the detail names first." },
	[UD_E_OVERLAPS] =                 { "overlaps",                 409, false, "The range overlaps another one",        "Choose a range that is free." },
	[UD_E_EXHAUSTED] =                { "exhausted",                409, false, "Nothing is left to give out",           "Release what is no longer used, or add more." },
	[UD_E_IDEMPOTENCY_KEY_IN_USE] =   { "idempotency_key_in_use",   409, false, "This Idempotency-Key was used for another request", "Use a fresh key for a new request." },
	[UD_E_LAST_ADMINISTRATOR] =       { "last_administrator",       409, false, "The last administrator must stay",      "Give somebody else the role first." },
	[UD_E_UNSUPPORTED] =              { "unsupported",              409, false, "The host cannot do this",               "Look at the capabilities of the host." },
	[UD_E_VM_UNMANAGED] =             { "vm_unmanaged",             409, false, "The VM is not managed",                 "Have the VM managed first, or let its customer do it." },
	[UD_E_NOT_IN_TIME] =              { "not_in_time",              409, true,  "It was not done in time",               "Look at the VM, then try again or choose a harder way." },
	[UD_E_PLAN_CHANGED] =             { "plan_changed",             409, false, "The plan changed since you looked at it", "Read the ticket again, look at its plan, and send its new plan_hash." },
	[UD_E_CURSOR_EXPIRED] =           { "cursor_expired",           410, false, "The cursor is older than 24 hours",     "Start anew without a cursor." },
	[UD_E_EXPIRED] =                  { "expired",                  410, false, "This is no longer valid",               "Ask for a new one." },
	[UD_E_STALE_VERSION] =            { "stale_version",            412, false, "The object changed since you read it",  "Read it again and send its new ETag in If-Match." },
	[UD_E_PRECONDITION_REQUIRED] =    { "precondition_required",    428, false, "This call needs If-Match",              "Send the object's ETag in If-Match, or * to overwrite whatever is there." },
	[UD_E_BODY_TOO_LARGE] =           { "body_too_large",           413, false, "The body is too large",                 "Send at most the bytes that the detail names." },
	[UD_E_URI_TOO_LONG] =             { "uri_too_long",             414, false, "The address is too long",               "Send at most 8 KiB." },
	[UD_E_UNSUPPORTED_MEDIA_TYPE] =   { "unsupported_media_type",   415, false, "The body's type is not taken here",     "Send Content-Type: application/json (application/merge-patch+json for PATCH)." },
	[UD_E_VALIDATION] =               { "validation_failed",        422, false, "A field has a wrong value",             "Correct the fields that errors[] names." },
	[UD_E_REPLICATION_BLOCKED] =      { "replication_blocked",      422, false, "This VM cannot be replicated so",       "Mend what errors[] names, or ask with dry_run=true for all of it." },
	[UD_E_HYPERVISOR] =               { "hypervisor_failed",        424, true,  "The hypervisor refused or does not answer", "Look at the detail and the host's log." },
	[UD_E_DEPENDENCY] =               { "dependency_failed",        424, true,  "What was asked refused or does not answer", "Look at the detail, then try again." },
	[UD_E_RATE_LIMITED] =             { "rate_limited",             429, true,  "Too many requests",                     "Wait for Retry-After seconds." },
	[UD_E_THROTTLED] =                { "throttled",                429, true,  "Too many failed sign-ins",              "Wait for Retry-After seconds." },
	[UD_E_SLOW_DOWN] =                { "slow_down",                429, true,  "Asked again too early",                 "Wait for Retry-After seconds between two tries." },
	[UD_E_HEADERS_TOO_LARGE] =        { "headers_too_large",        431, false, "The headers are too large",             "Send fewer or shorter headers." },
	[UD_E_INTERNAL] =                 { "internal",                 500, false, "Something went wrong on our side",      "Tell support the request id." },
	[UD_E_OVERLOADED] =               { "overloaded",               503, true,  "Too busy just now",                     "Try again after Retry-After seconds." },
	[UD_E_RETRY] =                    { "try_again",                503, true,  "Two changes got in each other's way",   "Send the request again; nothing was changed." },
	[UD_E_UNAVAILABLE] =              { "unavailable",              503, true,  "The database does not answer just now", "Try again; nothing was changed." },
	[UD_E_READ_ONLY] =                { "read_only",                503, true,  "Only reading is possible just now",     "Try again later; nothing was changed." },
	[UD_E_OUTCOME_UNKNOWN] =          { "outcome_unknown",          503, true,  "It is not certain whether this was stored", "Repeat the call with the same Idempotency-Key." },
	[UD_E_STORAGE_FULL] =             { "storage_full",             507, true,  "The database has no room left",         "Nothing was changed. An operator must free space." },
};
/* clang-format on */
_Static_assert(UD_LEN(infos) == UD_CODE_COUNT, "a row for every code");

const struct ud_error_info *ud_error_info(enum ud_code code)
{
	return &infos[(unsigned)code < UD_CODE_COUNT ? code : UD_E_INTERNAL];
}

enum ud_code ud_error_by_name(const char *name)
{
	for (size_t i = 0; i < UD_LEN(infos); i++)
		if (strcmp(infos[i].name, name) == 0)
			return (enum ud_code)i;
	return UD_CODE_COUNT;
}
