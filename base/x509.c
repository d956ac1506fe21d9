/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates by OpenSSL. What a kind of certificate may do stands in one table; texts of callers
 * never pass through the library's configuration language.
 */
#include "base/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION_3 = 2, SERIAL = 16, NAME_MAX_CHARACTERS = 64 };

/* Extensions in the library's own words; constants only. */
static const struct {
	const char *constraints, *usage, *purposes;
} kinds[] = {
	[UD_X509_ROOT] = { "critical,CA:TRUE,pathlen:1", "critical,keyCertSign,cRLSign", NULL },
	[UD_X509_SERVERS] = { "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign",
		"serverAuth" },
	[UD_X509_AGENTS] = { "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign",
		"clientAuth" },
	[UD_X509_SERVER] = { "critical,CA:FALSE", "critical,digitalSignature", "serverAuth" },
	[UD_X509_AGENT] = { "critical,CA:FALSE", "critical,digitalSignature", "clientAuth" },
};
_Static_assert(UD_LEN(kinds) == UD_X509_KINDS, "extensions for every kind");

static void must(bool ok)
{
	if (!ok)
		abort();
}

static enum ud_code malformed(struct ud_ctx *cx, const char *what)
{
	ERR_clear_error();
	return ud_fail(cx, UD_E_MALFORMED, NULL, "%s", what);
}

/* The content of a memory BIO in the arena; the BIO is released. */
static const char *take_text(struct ud_ctx *cx, BIO *bio)
{
	char *data;
	long n = BIO_get_mem_data(bio, &data);
	const char *text = ud_strndup(cx->arena, data, (size_t)n);

	BIO_free(bio);
	return text;
}

static BIO *reader_of(const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, (int)strnlen(text, UD_PEM_MAX));

	must(bio != NULL);
	return bio;
}

static BIO *writer(void)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL);
	return bio;
}

/* No passphrase is ever asked for: an encrypted key is no key here. */
static int no_passphrase(char *buf, int size, int writing, void *data)
{
	(void)buf, (void)size, (void)writing, (void)data;
	return -1;
}

static bool is_p256(const EVP_PKEY *key)
{
	char group[64] = "";
	size_t n = 0;

	return EVP_PKEY_is_a(key, "EC") &&
		EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1 &&
		strcmp(group, "prime256v1") == 0;
}

static EVP_PKEY *read_private(const char *text)
{
	BIO *bio = reader_of(text);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

	BIO_free(bio);
	return key;
}

static EVP_PKEY *read_public(const char *text)
{
	BIO *bio = reader_of(text);
	EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);

	BIO_free(bio);
	return key;
}

static X509 *read_certificate(const char *text)
{
	BIO *bio = reader_of(text);
	X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);

	BIO_free(bio);
	return cert;
}

static const char *public_text(struct ud_ctx *cx, EVP_PKEY *key)
{
	BIO *bio = writer();

	must(PEM_write_bio_PUBKEY(bio, key) == 1);
	return take_text(cx, bio);
}

const char *ud_x509_key(struct ud_ctx *cx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = writer();

	must(key && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	EVP_PKEY_free(key);
	return take_text(cx, bio);
}

enum ud_code ud_x509_public(struct ud_ctx *cx, const char *key, const char **ret)
{
	EVP_PKEY *k = read_private(key);
	bool fine = k && is_p256(k);

	if (fine)
		*ret = public_text(cx, k);
	EVP_PKEY_free(k);
	return fine ? UD_OK : malformed(cx, "This is not a private key of P-256.");
}

enum ud_code ud_x509_spki(struct ud_ctx *cx, const char *public_key, const char **ret)
{
	EVP_PKEY *key = read_public(public_key);
	unsigned char *der = NULL;
	int n = key ? i2d_PUBKEY(key, &der) : 0;
	char *hex = ud_alloc(cx->arena, UD_SHA256_HEX);

	EVP_PKEY_free(key);
	if (n <= 0)
		return malformed(cx, "This is not a public key.");
	ud_sha256_hex(der, (size_t)n, hex);
	OPENSSL_free(der);
	*ret = hex;
	return UD_OK;
}

/* ---- making certificates ---- */

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX how;

	if (!value)
		return;
	X509V3_set_ctx_nodb(&how);
	X509V3_set_ctx(&how, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &how, nid, value);

	must(e && X509_add_ext(cert, e, -1) == 1);
	X509_EXTENSION_free(e);
}

/* One name of the subject. False when the text does not fit its type. */
static bool add_name(GENERAL_NAMES *names, int type, const char *value)
{
	GENERAL_NAME *n = a2i_GENERAL_NAME(NULL, NULL, NULL, type, value, 0);

	if (!n)
		return false;
	must(sk_GENERAL_NAME_push(names, n) > 0);
	return true;
}

static bool is_dns_name(const char *text)
{
	size_t n = strlen(text);

	return n && n <= 253 &&
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") ==
		n;
}

static bool add_names(X509 *cert, const struct ud_x509_wish *w)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool fine = names != NULL;

	must(fine);
	for (size_t i = 0; fine && i < w->hosts.count; i++) {
		const char *host = w->hosts.items[i];

		fine = add_name(names, GEN_IPADD, host) ||
			(is_dns_name(host) && add_name(names, GEN_DNS, host));
	}
	if (fine && w->uri)
		fine = add_name(names, GEN_URI, w->uri);
	if (fine && sk_GENERAL_NAME_num(names))
		must(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1);
	GENERAL_NAMES_free(names);
	return fine;
}

static void set_serial(struct ud_ctx *cx, X509 *cert)
{
	unsigned char raw[SERIAL];

	ud_random(cx->env, raw, sizeof(raw));
	raw[0] = (unsigned char)((raw[0] & 0x7f) | 0x40); /* positive, and always of 16 bytes */
	BIGNUM *n = BN_bin2bn(raw, sizeof(raw), NULL);

	must(n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL);
	BN_free(n);
}

static void set_times(X509 *cert, const struct ud_x509_wish *w)
{
	must(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(w->not_before_ms / 1000)) != NULL);
	must(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(w->not_after_ms / 1000)) != NULL);
}

static bool set_subject(X509 *cert, const char *name)
{
	X509_NAME *n = X509_get_subject_name(cert);

	return *name && strlen(name) <= NAME_MAX_CHARACTERS &&
		X509_NAME_add_entry_by_txt(
			n, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1;
}

/* Everything but the signature. issuer may be the certificate itself. */
static bool fill(struct ud_ctx *cx, X509 *cert, X509 *issuer, EVP_PKEY *subject,
	const struct ud_x509_wish *w)
{
	must(X509_set_version(cert, VERSION_3) == 1 && X509_set_pubkey(cert, subject) == 1);
	set_serial(cx, cert);
	set_times(cert, w);
	if (!set_subject(cert, w->name))
		return false;
	must(X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1);
	add_extension(cert, issuer, NID_basic_constraints, kinds[w->kind].constraints);
	add_extension(cert, issuer, NID_key_usage, kinds[w->kind].usage);
	add_extension(cert, issuer, NID_ext_key_usage, kinds[w->kind].purposes);
	add_extension(cert, issuer, NID_subject_key_identifier, "hash");
	add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
	return add_names(cert, w);
}

static const char *certificate_text(struct ud_ctx *cx, X509 *cert)
{
	BIO *bio = writer();

	must(PEM_write_bio_X509(bio, cert) == 1);
	return take_text(cx, bio);
}

enum ud_code ud_x509_issue(struct ud_ctx *cx, const struct ud_x509_wish *w, const char **ret)
{
	X509 *cert = X509_new(), *issuer = w->issuer ? read_certificate(w->issuer) : NULL;
	EVP_PKEY *subject = read_public(w->public_key), *signer = read_private(w->issuer_key);
	bool fine = subject && signer && is_p256(subject) && (issuer || !w->issuer);

	must(cert != NULL);
	/* a key that does not belong to the issuer's certificate would sign what nobody believes */
	fine = fine && (!issuer || X509_check_private_key(issuer, signer) == 1) &&
		fill(cx, cert, issuer ? issuer : cert, subject, w);
	if (fine) {
		must(X509_sign(cert, signer, EVP_sha256()) > 0);
		*ret = certificate_text(cx, cert);
	}
	EVP_PKEY_free(subject);
	EVP_PKEY_free(signer);
	X509_free(issuer);
	X509_free(cert);
	return fine ? UD_OK : malformed(cx, "No certificate can be made of these names and keys.");
}

/* ---- requests ---- */

enum ud_code ud_x509_request(struct ud_ctx *cx, const char *key, const char *name, const char **ret)
{
	EVP_PKEY *k = read_private(key);
	X509_REQ *rq = X509_REQ_new();
	BIO *bio = writer();
	bool fine = k && is_p256(k) &&
		X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(rq), "CN", MBSTRING_UTF8,
			(const unsigned char *)name, -1, -1, 0) == 1;

	if (fine)
		must(X509_REQ_set_version(rq, 0) == 1 && X509_REQ_set_pubkey(rq, k) == 1 &&
			X509_REQ_sign(rq, k, EVP_sha256()) > 0 &&
			PEM_write_bio_X509_REQ(bio, rq) == 1);
	X509_REQ_free(rq);
	EVP_PKEY_free(k);
	if (fine)
		*ret = take_text(cx, bio);
	else
		BIO_free(bio);
	return fine ? UD_OK : malformed(cx, "No request can be made of this name and key.");
}

enum ud_code ud_x509_request_key(struct ud_ctx *cx, const char *request, const char **ret)
{
	BIO *bio = reader_of(request);
	X509_REQ *rq = PEM_read_bio_X509_REQ(bio, NULL, no_passphrase, NULL);
	EVP_PKEY *key = rq ? X509_REQ_get0_pubkey(rq) : NULL;
	bool fine = key && is_p256(key) && X509_REQ_verify(rq, key) == 1;

	if (fine)
		*ret = public_text(cx, key);
	X509_REQ_free(rq);
	BIO_free(bio);
	return fine
		? UD_OK
		: malformed(cx,
			  "This is not a certificate request of P-256 that its own key signed.");
}

/* ---- reading ---- */

static int64_t instant(const ASN1_TIME *t)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, seconds = 0;

	must(epoch != NULL);
	bool known = ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;

	ASN1_TIME_free(epoch);
	return known ? ((int64_t)days * 86400 + seconds) * 1000 : 0; /* unreadable = long ago */
}

static void serial_text(const X509 *cert, char text[UD_SERIAL_HEX])
{
	unsigned char raw[SERIAL];
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);

	text[0] = 0;
	if (n && !BN_is_negative(n) && BN_bn2binpad(n, raw, SERIAL) == SERIAL)
		for (int i = 0; i < SERIAL; i++) {
			text[2 * i] = "0123456789abcdef"[raw[i] >> 4];
			text[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
			text[2 * i + 2] = 0;
		}
	BN_free(n);
}

static const char *name_text(struct ud_ctx *cx, X509 *cert)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *utf8 = NULL;

	if (at < 0)
		return "";
	int n = ASN1_STRING_to_UTF8(
		&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	const char *name = n > 0 ? ud_strndup(cx->arena, (char *)utf8, (size_t)n) : "";

	OPENSSL_free(utf8);
	return name;
}

static void describe(struct ud_ctx *cx, X509 *cert, struct ud_x509_info *ret)
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	must(n > 0);
	ud_sha256_hex(der, (size_t)n, ret->spki_sha256);
	OPENSSL_free(der);
	serial_text(cert, ret->serial);
	ret->name = name_text(cx, cert);
	ret->not_before_ms = instant(X509_get0_notBefore(cert));
	ret->not_after_ms = instant(X509_get0_notAfter(cert));
}

enum ud_code ud_x509_read(struct ud_ctx *cx, const char *pem, struct ud_x509_info *ret)
{
	X509 *cert = read_certificate(pem);

	if (!cert)
		return malformed(cx, "This is not a certificate.");
	describe(cx, cert, ret);
	X509_free(cert);
	return UD_OK;
}

enum ud_code ud_x509_read_der(
	struct ud_ctx *cx, const void *der, size_t n, struct ud_x509_info *ret)
{
	const unsigned char *at = der;
	X509 *cert = n <= UD_PEM_MAX ? d2i_X509(NULL, &at, (long)n) : NULL;

	if (!cert)
		return malformed(cx, "This is not a certificate.");
	describe(cx, cert, ret);
	X509_free(cert);
	return UD_OK;
}

enum ud_code ud_x509_pin(struct ud_ctx *cx, const char *pem, char ret[UD_SHA256_HEX])
{
	X509 *cert = read_certificate(pem);
	unsigned char *der = NULL;

	if (!cert)
		return malformed(cx, "This is not a certificate.");
	int n = i2d_X509(cert, &der);

	must(n > 0);
	ud_sha256_hex(der, (size_t)n, ret);
	OPENSSL_free(der);
	X509_free(cert);
	return UD_OK;
}
