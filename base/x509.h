/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, requests and certificates of our own authority, over OpenSSL: P-256 and SHA-256 throughout
 * (RFC 5280). Keys and certificates are PEM texts in cx->arena; times come from the context. Not
 * for TLS itself, and not for deciding whom to trust. Any thread.
 */
#ifndef BASE_X509_H
#define BASE_X509_H

#include "base/crypto.h"
#include "base/ctx.h"
#include "base/shape.h"

enum { UD_SERIAL_HEX = 33, UD_PEM_MAX = 16384 };

/* What a certificate is for: decides its extensions. */
enum ud_x509_kind {
	UD_X509_ROOT,    /* signs authorities, is signed by itself */
	UD_X509_SERVERS, /* the authority that signs servers, and nothing else */
	UD_X509_AGENTS,  /* the authority that signs agents, and nothing else */
	UD_X509_SERVER,  /* serverAuth alone, for the names and addresses given */
	UD_X509_AGENT,   /* clientAuth alone, for the URI given */
	UD_X509_KINDS
};

/* A certificate to be made. */
struct ud_x509_wish {
	enum ud_x509_kind kind;
	const char *name;       /* common name, at most 64 characters */
	const char *uri;        /* of an agent, or NULL */
	struct ud_texts hosts;  /* of a server: DNS names and IP addresses */
	const char *public_key; /* whose it is */
	const char *issuer;     /* the signer's certificate; NULL = by itself */
	const char *issuer_key; /* the signer's private key */
	int64_t not_before_ms, not_after_ms;
};

/* What a certificate says. */
struct ud_x509_info {
	char spki_sha256[UD_SHA256_HEX]; /* of its public key's DER */
	char serial[UD_SERIAL_HEX];      /* 32 digits; "" when it has more than 128 bits */
	const char *name;                /* common name; "" when it has none */
	int64_t not_before_ms, not_after_ms;
};

/* A fresh private key. Aborts when the library cannot make one. */
const char *ud_x509_key(struct ud_ctx *cx);
/* The public key of a private one. UD_E_MALFORMED when it is no P-256 key. */
enum ud_code ud_x509_public(struct ud_ctx *cx, const char *key, const char **ret) UD_USE;
/* SHA-256 of a public key's DER in hex, as in struct ud_x509_info. UD_E_MALFORMED. */
enum ud_code ud_x509_spki(struct ud_ctx *cx, const char *public_key, const char **ret) UD_USE;
/* Make a certificate with a random 128-bit serial. UD_E_MALFORMED when a text of the wish is not
 * what it should be. */
enum ud_code ud_x509_issue(struct ud_ctx *cx, const struct ud_x509_wish *wish, const char **ret)
	UD_USE;
/* A request (PKCS #10) that proves possession of the key. UD_E_MALFORMED. */
enum ud_code ud_x509_request(struct ud_ctx *cx, const char *key, const char *name, const char **ret)
	UD_USE;
/* The public key of a request whose sender has its private half; nothing else of it is looked at.
 * UD_E_MALFORMED when it is no request, not of P-256, or not signed by that key. */
enum ud_code ud_x509_request_key(struct ud_ctx *cx, const char *request, const char **ret) UD_USE;
/* Read the first certificate of a PEM text. UD_E_MALFORMED. */
enum ud_code ud_x509_read(struct ud_ctx *cx, const char *pem, struct ud_x509_info *ret) UD_USE;
/* Read one in DER. UD_E_MALFORMED. */
enum ud_code ud_x509_read_der(
	struct ud_ctx *cx, const void *der, size_t n, struct ud_x509_info *ret) UD_USE;
/* SHA-256 of the first certificate's DER in hex: the pin that people paste. UD_E_MALFORMED. */
enum ud_code ud_x509_pin(struct ud_ctx *cx, const char *pem, char ret[UD_SHA256_HEX]) UD_USE;

#endif
