/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One letter to one mail server over libcurl: its form (RFC 5322, plain text in UTF-8) and its way
 * (RFC 5321). Not for queues and tries: mail.h.
 */
#ifndef SERVER_MAIL_SMTP_H
#define SERVER_MAIL_SMTP_H

#include "base/buf.h"
#include "base/ctx.h"

/* How letters leave the installation. */
struct ud_smtp {
	const char *server; /* "smtp://mail.example.net:587" or "smtps://…"; NULL = no letters are
			       sent */
	const char *from;   /* address of the sender */
	const char *name;   /* shown beside it, or NULL */
	const char *user, *password; /* NULL = the server asks for none */
	const char *ca_file;         /* authorities for its certificate; NULL = the system's */
	bool plain;                  /* without TLS where the server offers none */
};

struct ud_letter_text {
	const char *id; /* of what it tells: a second try has the same Message-ID */
	const char *to, *subject;
	const char *body; /* lines ended by \n */
	int64_t written_ms;
};

/* The letter as it is sent, lines ended by CR LF: no text of it can begin a header. */
void ud_smtp_write(
	const struct ud_smtp *smtp, const struct ud_letter_text *letter, struct ud_buf *out);
/*
 * Hand a letter to the server. UD_E_UNAVAILABLE with the reason when it was not taken: then another
 * try may help. *ret_said = the server's last line, in the arena; "" = it said nothing. Blocks for
 * at most 30 s; any thread, outside of transactions.
 */
enum ud_code ud_smtp_send(struct ud_ctx *cx, const struct ud_smtp *smtp,
	const struct ud_letter_text *letter, const char **ret_said) UD_USE;

#endif
