/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A realm of Kerberos for tests: a KDC of MIT on a port of 127.0.0.1, with a database and a
 * configuration in the test's folder. It dies with the test.
 */
#ifndef TESTS_SUPPORT_KDC_H
#define TESTS_SUPPORT_KDC_H

#include "base/ctx.h"

struct kdc {
	int pid;
	int port;
	const char *realm;
};

/* Begin the realm in folder, which there is, and use it in this process. */
void kdc_begin(struct ud_ctx *cx, const char *folder, const char *realm, struct kdc *ret);
void kdc_end(struct kdc *kdc);
/* Make a principal ("understudy/agt_a"), or give it new keys, and put them into a key table of its
 * own; its path. */
const char *kdc_keytab(struct ud_ctx *cx, const char *folder, const char *principal);
/* How many tickets for this principal the KDC has given out. */
int kdc_tickets(struct ud_ctx *cx, const char *folder, const char *principal);

#endif
