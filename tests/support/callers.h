/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kind of caller that the API knows or must refuse: roles, tokens of people and programs,
 * sessions, staff who act for a customer, and credentials that are no good for one reason or
 * another.
 */
#ifndef TESTS_SUPPORT_CALLERS_H
#define TESTS_SUPPORT_CALLERS_H

#include "support/tenants.h"

enum means { NOTHING, TOKEN, SERVICE, SESSION };

/* What is wrong with the credentials. */
enum fault {
	FINE,
	EXPIRED,      /* its time is up */
	IDLE,         /* a session nobody used for too long */
	REVOKED,      /* deleted after it had been used */
	DISABLED,     /* its principal was deactivated after that */
	GARBLED,      /* no secret of ours */
	CSRF_MISSING, /* a session without, with another session's token */
	CSRF_FOREIGN, /* … or from another origin */
	ORIGIN_FOREIGN,
	FACTOR_OLD, /* a session whose last proof is too old for marked calls */
};

struct kind {
	const char *name;
	enum means means;
	const char *role;
	enum side side;
	enum fault fault;
	const char *scope; /* of its token; NULL = "*" */
	/* of this side's customer; -1 = of a customer that is not there, 0 = no */
	int on_behalf;
};

struct caller {
	const struct kind *kind;
	uint32_t roles;
	bool bound;     /* to one tenant's rows */
	enum side base; /* whose rows are its own */
	const char *principal, *credential;
	const char *headers[6];
};

struct callers {
	const struct tenants *tenants;
	struct caller all[64];
	size_t count;
	const char *csrf_of_others;
};

/* Make them all, after the tenants' rows. */
void callers_add(struct callers *all, const struct tenants *t);
/* Call the API; If-Match: * is always sent, an Idempotency-Key on demand. */
struct reply callers_call(struct callers *all, const struct caller *c, const char *method,
	const char *path, const char *body, bool key);
/* What a stream says until a text has come; fails when it does not within 10 s. */
const char *callers_follow(
	struct callers *all, const struct caller *c, const char *path, const char *until);

#endif
