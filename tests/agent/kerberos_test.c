/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replication channel under Kerberos: a real KDC, two agents' principals, points over a stream
 * that GSSAPI protects, on the port that takes certificates as well. And who is turned away.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "support/context.h"
#include "support/ends.h"
#include "support/kdc.h"

static const char realm[] = "UNDERSTUDY.TEST";

/* The realm lasts for all cases. */
static struct kdc kdc;
static void *own;          /* its context */
static const char *folder; /* its files */
static const char *source_keys, *target_keys;

static int realm_begin(void **state)
{
	(void)state;
	context_begin(&own);
	struct ud_ctx *cx = own;

	folder = context_path(cx, "realm");
	assert_int_equal(mkdir(folder, 0700), 0);
	kdc_begin(cx, folder, realm, &kdc);
	source_keys = kdc_keytab(cx, folder, "understudy/agt_source");
	target_keys = kdc_keytab(cx, folder, "understudy/agt_target");
	return 0;
}

static int realm_end(void **state)
{
	(void)state;
	kdc_end(&kdc);
	return context_end(&own);
}

/* The target takes both kinds from now on. */
static void target_with(struct ends *e, const char *keytab)
{
	const struct ud_peer both = { .identity = ends_identity(
					      e->cx, &e->authority, UD_X509_AGENT, "agt_target", 0),
		.root = e->authority.root,
		.principal = "understudy/agt_target",
		.keytab = keytab };

	assert_int_equal(ud_receiver_set_peer(e->cx, e->receiver, &both), UD_OK);
}

static struct ud_peer source_with(const char *principal, const char *keytab)
{
	return (struct ud_peer){ .auth = UD_PEER_KERBEROS,
		.agent_id = "agt_target",
		.principal = principal,
		.keytab = keytab };
}

static int begin(void **state)
{
	ends_begin(state);
	struct ends *e = *state;

	target_with(e, target_keys);
	e->settings.peer = source_with("understudy/agt_source", source_keys);
	ends_sender(e);
	return 0;
}

static void must_ship(struct ends *e, enum ud_ship how)
{
	struct ud_shipped s = { 0 };
	enum ud_code code = ends_ship(e, how, &s);

	if (code != UD_OK)
		fail_msg("%s", e->cx->problem.detail);
}

static void points_travel_under_kerberos(void **state)
{
	struct ends *e = *state;

	must_ship(e, UD_SHIP_FULL);
	for (int i = 0; i < 3; i++) {
		disks_stir(e->disks, (uint64_t)i + 2, 6);
		must_ship(e, UD_SHIP_DELTA);
	}
	ends_check(e);
	assert_string_equal(e->peer, "agt_source");
	assert_int_equal(e->auth, UD_PEER_KERBEROS);
	assert_true(kdc_tickets(e->cx, folder, "understudy/agt_target@UNDERSTUDY.TEST") > 0);
}

static void the_same_port_takes_certificates(void **state)
{
	struct ends *e = *state;

	must_ship(e, UD_SHIP_FULL);
	e->settings.peer = (struct ud_peer){ .identity = ends_identity(e->cx, &e->authority,
						     UD_X509_AGENT, "agt_source", 0),
		.root = e->authority.root,
		.agent_id = "agt_target" };
	ends_sender(e);
	disks_stir(e->disks, 7, 4);
	must_ship(e, UD_SHIP_DELTA);
	assert_int_equal(e->auth, UD_PEER_CERTIFICATE);
	ends_check(e);
}

static void a_turned_bit_is_no_point(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };
	int refused = 0;

	must_ship(e, UD_SHIP_FULL);
	for (int64_t i = 1; i <= 4; i++) {
		disks_stir(e->disks, (uint64_t)i, 5);
		relay_set(e->relay, (struct relay_faults){ .corrupt_at = 20000 * i * i });
		while (ends_ship(e, UD_SHIP_DELTA, &s) != UD_OK) {
			refused++;
			relay_set(e->relay, (struct relay_faults){ 0 });
		}
		ends_check(e);
	}
	assert_true(refused > 0);
}

/* ---- who may talk ---- */

static void try_peer(struct ends *e, struct ud_peer peer, enum ud_code want, const char *words)
{
	struct ud_sender_have have = { 0 };

	e->settings.peer = peer;
	ends_sender(e);
	e->peer[0] = 0;
	enum ud_code code = ud_sender_have(e->cx, e->sender, &have);
	const char *detail = e->cx->problem.detail ? e->cx->problem.detail : "";

	if (code != want || (words && !strstr(detail, words)))
		fail_msg("%s: %s", ud_error_info(code)->name, detail);
	if (want != UD_OK)
		assert_string_equal(e->peer, ""); /* the receiver asked for no store */
	ud_ctx_clear(e->cx);
}

/* It does not even begin. */
static void wants_no_keys(struct ends *e, struct ud_peer peer, const char *words)
{
	e->settings.peer = peer;
	ud_sender_release(&e->sender);
	assert_int_equal(ud_sender_open(e->cx, &e->settings, &e->sender), UD_E_UNAVAILABLE);
	assert_non_null(strstr(e->cx->problem.detail, words));
	ud_ctx_clear(e->cx);
}

static void nobody_but_an_agent_of_the_realm_may_talk(void **state)
{
	struct ends *e = *state;
	const struct ud_peer good = e->settings.peer;
	struct ud_peer p = good;

	try_peer(e, good, UD_OK, NULL);
	/* of the realm, but no agent */
	p.principal = "host/agt_source";
	p.keytab = kdc_keytab(e->cx, folder, p.principal);
	try_peer(e, p, UD_E_CERTIFICATE_REFUSED, "");
	/* another agent's keys, and none at all */
	p = good;
	p.keytab = kdc_keytab(e->cx, folder, "understudy/agt_other");
	wants_no_keys(e, p, "our key table");
	p.keytab = "";
	wants_no_keys(e, p, "no key table");
	/* the target is another agent than the relation says: it cannot read the ticket */
	p = good;
	p.agent_id = "agt_other";
	try_peer(e, p, UD_E_CERTIFICATE_REFUSED, NULL);
	/* nobody of that name is in the realm */
	p.agent_id = "agt_nobody";
	try_peer(e, p, UD_E_CERTIFICATE_REFUSED, "not found");
	try_peer(e, good, UD_OK, NULL);
}

static void keys_that_were_renewed_do(void **state)
{
	struct ends *e = *state;
	const struct ud_peer good = e->settings.peer;

	/* the KDC gives tickets for the new keys, which the target has not got yet */
	const char *fresh = kdc_keytab(e->cx, folder, "understudy/agt_target");

	try_peer(e, good, UD_E_CERTIFICATE_REFUSED, NULL);
	target_with(e, fresh);
	target_keys = ud_strdup(((struct ud_ctx *)own)->arena, fresh);
	try_peer(e, good, UD_OK, NULL);
}

static void a_target_without_keys_takes_certificates_alone(void **state)
{
	struct ends *e = *state;

	target_with(e, context_path(e->cx, "no.keytab"));
	try_peer(e, e->settings.peer, UD_E_CERTIFICATE_REFUSED, NULL);
	try_peer(e,
		(struct ud_peer){ .identity = ends_identity(
					  e->cx, &e->authority, UD_X509_AGENT, "agt_source", 0),
			.root = e->authority.root,
			.agent_id = "agt_target" },
		UD_OK, NULL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, ends_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(points_travel_under_kerberos),
		CASE(the_same_port_takes_certificates),
		CASE(a_turned_bit_is_no_point),
		CASE(nobody_but_an_agent_of_the_realm_may_talk),
		CASE(keys_that_were_renewed_do),
		CASE(a_target_without_keys_takes_certificates_alone),
	};

	return cmocka_run_group_tests(tests, realm_begin, realm_end);
}
