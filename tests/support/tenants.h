/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of every kind for two customers and for the provider, each with texts that give away whose
 * it is. Whoever adds a kind of thing adds its row here, and the matrix of tests/api/tenancy_test.c
 * asks for it.
 */
#ifndef TESTS_SUPPORT_TENANTS_H
#define TESTS_SUPPORT_TENANTS_H

#include "support/harness.h"

enum side { FIRST, SECOND, PROVIDER, SIDE_COUNT };

/* Begin of every text of a side's rows. Sites and networks of the provider are everybody's to see,
 * and have "shared". */
extern const char *const tenants_marks[SIDE_COUNT];

struct tenants {
	struct world *world;
	const char *customer[SIDE_COUNT]; /* the provider's is NULL */
	struct {
		const char *prefix, *ids[SIDE_COUNT];
	} rows[64];
	size_t count;
};

/* Store the rows. */
void tenants_fill(struct tenants *t, struct world *w);
/* Id of a side's row with this prefix; NULL when there is none. Fails for an unknown prefix. */
const char *tenants_id(const struct tenants *t, const char *prefix, enum side side);
/* A well-formed id of nothing. */
const char *tenants_missing(const struct tenants *t, const char *prefix);

#endif
