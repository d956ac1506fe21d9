/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every way to fail, once: code, wire name, HTTP status, whether trying again helps, title and
 * remedy. Functions return enum ud_code; the words for the caller go into the context (ud_fail,
 * base/ctx.h). The table itself is in error.c; each row is a page at /problems/{name}.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/ud.h"

enum ud_code {
	UD_OK,
	/* 400 */
	UD_E_MALFORMED,
	UD_E_UNKNOWN_FIELD,
	UD_E_UNKNOWN_PARAMETER,
	UD_E_PARAMETER_INVALID,
	UD_E_CURSOR_INVALID,
	UD_E_CURSOR_MISMATCH,
	UD_E_IDEMPOTENCY_KEY_REQUIRED,
	UD_E_AUTHORIZATION_PENDING,
	UD_E_UNSUPPORTED_GRANT_TYPE,
	UD_E_INVALID_SCOPE,
	/* 401 */
	UD_E_UNAUTHENTICATED,
	UD_E_INVALID_CREDENTIALS,
	UD_E_INVALID_CLIENT,
	UD_E_STEP_UP_REQUIRED,
	/* 403 */
	UD_E_ROLE_MISSING,
	UD_E_SCOPE_MISSING,
	UD_E_NOT_ENTITLED,
	UD_E_CSRF_FAILED,
	UD_E_PERSON_REQUIRED,
	UD_E_FACTOR_REQUIRED,
	UD_E_CERTIFICATE_REFUSED,
	UD_E_OWN_REQUEST,
	UD_E_ACCESS_DENIED,
	/* 404, 405 */
	UD_E_NOT_FOUND,
	UD_E_METHOD_NOT_ALLOWED,
	/* 408 */
	UD_E_TIMEOUT,
	/* 409 */
	UD_E_CONFLICT,
	UD_E_INVALID_STATE,
	UD_E_ALREADY_EXISTS,
	UD_E_IN_USE,
	UD_E_OVERLAPS,
	UD_E_EXHAUSTED,
	UD_E_IDEMPOTENCY_KEY_IN_USE,
	UD_E_LAST_ADMINISTRATOR,
	UD_E_UNSUPPORTED,
	UD_E_VM_UNMANAGED,
	UD_E_NOT_IN_TIME,
	UD_E_PLAN_CHANGED,
	/* 410 */
	UD_E_CURSOR_EXPIRED,
	UD_E_EXPIRED,
	/* 412, 428 */
	UD_E_STALE_VERSION,
	UD_E_PRECONDITION_REQUIRED,
	/* 413, 414, 415, 422 */
	UD_E_BODY_TOO_LARGE,
	UD_E_URI_TOO_LONG,
	UD_E_UNSUPPORTED_MEDIA_TYPE,
	UD_E_VALIDATION,
	UD_E_REPLICATION_BLOCKED,
	/* 424 */
	UD_E_HYPERVISOR,
	UD_E_DEPENDENCY,
	/* 429, 431 */
	UD_E_RATE_LIMITED,
	UD_E_THROTTLED,
	UD_E_SLOW_DOWN,
	UD_E_HEADERS_TOO_LARGE,
	/* 500 and above: the caller learns the request id, the log learns the words */
	UD_E_INTERNAL,
	UD_E_OVERLOADED,
	UD_E_RETRY, /* deadlock or serialisation: the transaction is run again by db/engine */
	UD_E_UNAVAILABLE,
	UD_E_READ_ONLY,
	UD_E_OUTCOME_UNKNOWN,
	UD_E_STORAGE_FULL,
	UD_CODE_COUNT
};

/* What the table knows of a code. */
struct ud_error_info {
	const char *name;   /* on the wire: "not_found" */
	int status;         /* HTTP status */
	bool retryable;     /* the same request may succeed later, unchanged */
	const char *title;  /* one line for people */
	const char *remedy; /* what the caller can do; NULL = nothing general */
};

/* The row of a code. Never NULL; UD_OK has name "ok". Any thread. */
const struct ud_error_info *ud_error_info(enum ud_code code);

/* The code with this wire name, or UD_CODE_COUNT. Any thread. */
enum ud_code ud_error_by_name(const char *name);

#endif
