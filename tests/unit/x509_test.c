/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What our certificates say, judged by OpenSSL's own verification: purposes, chains, times and
 * requests.
 */
#include "base/x509.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "support/context.h"

static const int64_t day_ms = INT64_C(86400000);

struct authority {
	const char *root, *root_key, *servers, *servers_key, *agents, *agents_key;
};

static const char *issue(struct ud_ctx *cx, struct ud_x509_wish w, const char *key)
{
	const char *cert = NULL;

	assert_int_equal(ud_x509_public(cx, key, &w.public_key), UD_OK);
	if (!w.not_after_ms) {
		w.not_before_ms = cx->now_ms;
		w.not_after_ms = cx->now_ms + 30 * day_ms;
	}
	assert_int_equal(ud_x509_issue(cx, &w, &cert), UD_OK);
	return cert;
}

static struct authority make_authority(struct ud_ctx *cx)
{
	struct authority a = { .root_key = ud_x509_key(cx),
		.servers_key = ud_x509_key(cx),
		.agents_key = ud_x509_key(cx) };

	a.root = issue(cx,
		(struct ud_x509_wish){
			.kind = UD_X509_ROOT, .name = "Root", .issuer_key = a.root_key },
		a.root_key);
	a.servers = issue(cx,
		(struct ud_x509_wish){ .kind = UD_X509_SERVERS,
			.name = "Servers",
			.issuer = a.root,
			.issuer_key = a.root_key },
		a.servers_key);
	a.agents = issue(cx,
		(struct ud_x509_wish){ .kind = UD_X509_AGENTS,
			.name = "Agents",
			.issuer = a.root,
			.issuer_key = a.root_key },
		a.agents_key);
	return a;
}

static X509 *read(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(cert);
	return cert;
}

/* Does the library believe the leaf for a purpose, over one intermediate, at an instant? */
static bool believed(const struct authority *a, const char *leaf, const char *between, int purpose,
	int64_t at_ms)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *chain = X509_STORE_CTX_new();
	STACK_OF(X509) *sent = sk_X509_new_null();
	X509 *root = read(a->root), *cert = read(leaf), *middle = read(between);

	sk_X509_push(sent, middle);
	X509_STORE_add_cert(store, root);
	X509_STORE_CTX_init(chain, store, cert, sent);
	X509_STORE_CTX_set_purpose(chain, purpose);
	X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(chain), (time_t)(at_ms / 1000));
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(chain), X509_V_FLAG_X509_STRICT);
	bool fine = X509_verify_cert(chain) == 1;

	X509_STORE_CTX_free(chain);
	X509_STORE_free(store);
	sk_X509_free(sent);
	X509_free(root);
	X509_free(cert);
	X509_free(middle);
	return fine;
}

static const char *agent(struct ud_ctx *cx, const struct authority *a, const char *key)
{
	return issue(cx,
		(struct ud_x509_wish){ .kind = UD_X509_AGENT,
			.name = "agt_x",
			.uri = "understudy://agent/agt_x",
			.issuer = a->agents,
			.issuer_key = a->agents_key },
		key);
}

static const char *server(struct ud_ctx *cx, const struct authority *a, const char *key)
{
	const char *hosts[] = { "dr.example.net", "192.0.2.7", "2001:db8::7" };

	return issue(cx,
		(struct ud_x509_wish){ .kind = UD_X509_SERVER,
			.name = "dr.example.net",
			.hosts = { hosts, UD_LEN(hosts) },
			.issuer = a->servers,
			.issuer_key = a->servers_key },
		key);
}

static void an_agent_is_a_client_and_nothing_else(void **state)
{
	struct ud_ctx *cx = *state;
	struct authority a = make_authority(cx);
	const char *cert = agent(cx, &a, ud_x509_key(cx));

	assert_true(believed(&a, cert, a.agents, X509_PURPOSE_SSL_CLIENT, cx->now_ms + 1000));
	assert_false(believed(&a, cert, a.agents, X509_PURPOSE_SSL_SERVER, cx->now_ms + 1000));
	assert_false(believed(&a, cert, a.servers, X509_PURPOSE_SSL_CLIENT, cx->now_ms + 1000));
}

static void a_server_is_a_server_and_nothing_else(void **state)
{
	struct ud_ctx *cx = *state;
	struct authority a = make_authority(cx);
	const char *cert = server(cx, &a, ud_x509_key(cx));
	X509 *x = read(cert);

	assert_true(believed(&a, cert, a.servers, X509_PURPOSE_SSL_SERVER, cx->now_ms + 1000));
	assert_false(believed(&a, cert, a.servers, X509_PURPOSE_SSL_CLIENT, cx->now_ms + 1000));
	assert_int_equal(X509_check_host(x, "dr.example.net", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x, "other.example.net", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ip_asc(x, "192.0.2.7", 0), 1);
	assert_int_equal(X509_check_ip_asc(x, "2001:db8::7", 0), 1);
	assert_int_equal(X509_check_ip_asc(x, "192.0.2.8", 0), 0);
	X509_free(x);
}

static void an_authority_for_agents_makes_no_servers(void **state)
{
	struct ud_ctx *cx = *state;
	struct authority a = make_authority(cx);
	const char *forged = issue(cx,
		(struct ud_x509_wish){ .kind = UD_X509_SERVER,
			.name = "dr.example.net",
			.issuer = a.agents,
			.issuer_key = a.agents_key },
		ud_x509_key(cx));

	assert_false(believed(&a, forged, a.agents, X509_PURPOSE_SSL_SERVER, cx->now_ms + 1000));
}

static void a_leaf_signs_nothing(void **state)
{
	struct ud_ctx *cx = *state;
	struct authority a = make_authority(cx);
	const char *key = ud_x509_key(cx), *leaf = agent(cx, &a, key);
	const char *forged = issue(cx,
		(struct ud_x509_wish){
			.kind = UD_X509_AGENT, .name = "agt_y", .issuer = leaf, .issuer_key = key },
		ud_x509_key(cx));

	assert_false(believed(&a, forged, leaf, X509_PURPOSE_SSL_CLIENT, cx->now_ms + 1000));
}

static void certificates_begin_and_end(void **state)
{
	struct ud_ctx *cx = *state;
	struct authority a = make_authority(cx);
	const char *cert = agent(cx, &a, ud_x509_key(cx));

	assert_false(believed(&a, cert, a.agents, X509_PURPOSE_SSL_CLIENT, cx->now_ms - 2000));
	assert_false(
		believed(&a, cert, a.agents, X509_PURPOSE_SSL_CLIENT, cx->now_ms + 31 * day_ms));
}

static void what_is_written_can_be_read(void **state)
{
	struct ud_ctx *cx = *state;
	struct authority a = make_authority(cx);
	const char *key = ud_x509_key(cx), *one = agent(cx, &a, key), *two = agent(cx, &a, key);
	struct ud_x509_info first = { 0 }, second = { 0 }, der = { 0 };
	X509 *x = read(one);
	unsigned char *bytes = NULL;
	int n = i2d_X509(x, &bytes);

	assert_int_equal(ud_x509_read(cx, one, &first), UD_OK);
	assert_int_equal(ud_x509_read(cx, two, &second), UD_OK);
	assert_int_equal(ud_x509_read_der(cx, bytes, (size_t)n, &der), UD_OK);
	assert_string_equal(first.name, "agt_x");
	assert_int_equal(first.not_after_ms, cx->now_ms / 1000 * 1000 + 30 * day_ms);
	assert_int_equal(first.not_before_ms, cx->now_ms / 1000 * 1000);
	assert_int_equal(strlen(first.serial), 32);
	assert_string_not_equal(first.serial, second.serial);
	assert_string_equal(first.spki_sha256, second.spki_sha256);
	assert_string_equal(first.serial, der.serial);
	assert_string_equal(first.spki_sha256, der.spki_sha256);
	assert_int_equal(ud_x509_read_der(cx, bytes, (size_t)n / 2, &der), UD_E_MALFORMED);
	assert_int_equal(ud_x509_read(cx, "none", &der), UD_E_MALFORMED);
	OPENSSL_free(bytes);
	X509_free(x);
}

static void a_pin_is_the_digest_of_the_der(void **state)
{
	struct ud_ctx *cx = *state;
	struct authority a = make_authority(cx);
	X509 *x = read(a.root);
	unsigned char *bytes = NULL;
	int n = i2d_X509(x, &bytes);
	char pin[UD_SHA256_HEX], want[UD_SHA256_HEX];

	ud_sha256_hex(bytes, (size_t)n, want);
	assert_int_equal(ud_x509_pin(cx, a.root, pin), UD_OK);
	assert_string_equal(pin, want);
	OPENSSL_free(bytes);
	X509_free(x);
}

static void of_a_request_only_the_key_is_taken(void **state)
{
	struct ud_ctx *cx = *state;
	const char *key = ud_x509_key(cx), *request = NULL, *public_key = NULL, *own = NULL;

	assert_int_equal(ud_x509_request(cx, key, "anything", &request), UD_OK);
	assert_int_equal(ud_x509_request_key(cx, request, &public_key), UD_OK);
	assert_int_equal(ud_x509_public(cx, key, &own), UD_OK);
	assert_string_equal(public_key, own);
}

/* Somebody else's public key under our signature. */
static void a_request_without_the_private_key_is_refused(void **state)
{
	struct ud_ctx *cx = *state;
	const char *theirs = NULL, *got = NULL, *mine = ud_x509_key(cx);
	BIO *bio, *out = BIO_new(BIO_s_mem());

	assert_int_equal(ud_x509_public(cx, ud_x509_key(cx), &theirs), UD_OK);
	bio = BIO_new_mem_buf(theirs, -1);
	EVP_PKEY *stolen = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);

	BIO_free(bio);
	bio = BIO_new_mem_buf(mine, -1);
	EVP_PKEY *own = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	X509_REQ *rq = X509_REQ_new();

	BIO_free(bio);
	X509_REQ_set_pubkey(rq, stolen);
	X509_REQ_sign(rq, own, EVP_sha256());
	PEM_write_bio_X509_REQ(out, rq);
	char text[4096] = "";

	assert_true(BIO_read(out, text, sizeof(text) - 1) > 0);
	assert_int_equal(ud_x509_request_key(cx, text, &got), UD_E_MALFORMED);
	assert_int_equal(ud_x509_request_key(cx, "-----BEGIN", &got), UD_E_MALFORMED);
	BIO_free(out);
	X509_REQ_free(rq);
	EVP_PKEY_free(own);
	EVP_PKEY_free(stolen);
}

static void keys_of_other_kinds_are_refused(void **state)
{
	struct ud_ctx *cx = *state;
	const char *public_key = NULL;
	EVP_PKEY *other = EVP_EC_gen("P-384");
	BIO *out = BIO_new(BIO_s_mem());
	char text[4096] = "";

	PEM_write_bio_PrivateKey(out, other, NULL, NULL, 0, NULL, NULL);
	assert_true(BIO_read(out, text, sizeof(text) - 1) > 0);
	assert_int_equal(ud_x509_public(cx, text, &public_key), UD_E_MALFORMED);
	assert_int_equal(ud_x509_request(cx, text, "x", &public_key), UD_E_MALFORMED);
	BIO_free(out);
	EVP_PKEY_free(other);
}

static void names_are_bounded_and_mean_nothing_else(void **state)
{
	static const char *const wrong[] = { "a,DNS:b", "two words", "" };
	struct ud_ctx *cx = *state;
	struct authority a = make_authority(cx);
	const char *key = ud_x509_key(cx), *cert = NULL;

	for (size_t i = 0; i < UD_LEN(wrong); i++) {
		const char *hosts[] = { wrong[i] };
		struct ud_x509_wish w = { .kind = UD_X509_SERVER,
			.name = "x",
			.hosts = { hosts, 1 },
			.issuer = a.servers,
			.issuer_key = a.servers_key };

		assert_int_equal(ud_x509_public(cx, key, &w.public_key), UD_OK);
		assert_int_equal(ud_x509_issue(cx, &w, &cert), UD_E_MALFORMED);
	}
	/* and a key that is not the issuer's own signs nothing */
	struct ud_x509_wish w = {
		.kind = UD_X509_AGENT, .name = "x", .issuer = a.agents, .issuer_key = a.servers_key
	};

	assert_int_equal(ud_x509_public(cx, key, &w.public_key), UD_OK);
	assert_int_equal(ud_x509_issue(cx, &w, &cert), UD_E_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_agent_is_a_client_and_nothing_else, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_server_is_a_server_and_nothing_else, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			an_authority_for_agents_makes_no_servers, context_begin, context_end),
		cmocka_unit_test_setup_teardown(a_leaf_signs_nothing, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			certificates_begin_and_end, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			what_is_written_can_be_read, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_pin_is_the_digest_of_the_der, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			of_a_request_only_the_key_is_taken, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_request_without_the_private_key_is_refused, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			keys_of_other_kinds_are_refused, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			names_are_bounded_and_mean_nothing_else, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
